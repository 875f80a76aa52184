"""The task `video-text`, as a user runs it: archives of videos on a Hub, with captions, through a bounded window."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import penstock as library
from penstock.records import Evaluation, PictureFigure, RunRecord, read_record
from support.captioned import CONFIG, KINDS, SETTINGS, archives_of, entry, video_of
from support.cli import fails, succeed
from support.forked import Forked
from support.hub_server import Hub, serve_hub
from support.jobs import run_until_saved
from support.media_archives import tar_of

pytestmark = pytest.mark.usefixtures("children_are_forked")

ARCHIVES, EACH = 24, 10
TRAINING = ("--batch-size", 24, "--learning-rate", 0.003, "--threads", 1, "--prefetch", "process")
WINDOW_BYTES = 2 << 20
REPEAT = ("--repeat", 4, "--repeat-part", "100Ki", "--window-size", WINDOW_BYTES)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serve_hub() as served:
        served.files = archives_of(ARCHIVES, EACH)
        served.large = {path for path in served.files if path.endswith(".gz")}
        yield served


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("unlike"), archives_of(ARCHIVES, EACH, is_true=False))


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def words(source: object, out: Path, *more: object, epochs: int = 2) -> list[object]:
    given = [word for option in SETTINGS for word in ("--option", option)]
    split = ("--split", "0.7,0.1,0.2", "--epochs", epochs)
    return ["run", "--source", source, "--task", "video-text", *given, *split, *TRAINING, *more, "--out", out]


def on_hub(hub: Hub) -> tuple[str, tuple[object, ...]]:
    return "hf://datasets/org/name", ("--endpoint-url", hub.url)


def found_in(out: Path) -> Evaluation:
    return read_record(out / "evaluation.json", Evaluation)


def disk_use(folder: Path) -> int:
    """Return what the files of a folder take on the disk, as du has it."""
    used = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            used += path.lstat().st_blocks * 512
    return used


@pytest.fixture(scope="module")
def ran(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run through a small window, which was never larger than its bound."""
    source, where = on_hub(hub)
    folder = tmp_path_factory.mktemp("ran")
    out, window = folder / "out", folder / "window"
    process, most = Forked(words(source, out, *where, *REPEAT, "--window", window)), 0
    while process.poll() is None:
        most = max(most, disk_use(window))
        time.sleep(0.02)
    assert process.poll() == 0, process.output()
    assert 0 < most <= WINDOW_BYTES
    return out


def test_captions_are_matched_far_above_chance_through_parts_of_archives(hub: Hub, ran: Path) -> None:
    metrics = found_in(ran).metrics
    recall, rank = metrics["recall_at_1"], metrics["mean_rank"]
    assert recall.baseline is not None
    assert rank.baseline is not None
    assert recall.value is not None
    assert rank.value is not None
    assert recall.baseline.value == pytest.approx(1 / len(KINDS), abs=0.01)
    assert recall.value > 0.4
    assert rank.value < 4 < rank.baseline.value
    shown = [figure for figure in found_in(ran).figures if isinstance(figure, PictureFigure)]
    assert shown[0].rows[0].pictures[0].png.startswith(b"\x89PNG")
    assert any(kind in shown[0].rows[0].caption for kind in KINDS)
    page = (ran / "report.html").read_text()
    assert "Videos and captions" in page
    assert "was the bottleneck" in page
    record = read_record(ran / "run.json", RunRecord)
    assert record.config["repeat"] == 4
    # Each epoch's four passes over the training videos come of one download.
    assert record.meters.bytes_downloaded < 0.5 * record.meters.sample_bytes


def test_captions_of_other_videos_are_not_matched(unlike: Path, tmp_path: Path) -> None:
    succeed(*words(unlike, tmp_path / "out", *REPEAT, epochs=1))
    metrics = found_in(tmp_path / "out").metrics
    assert (metrics["recall_at_1"].value or 0) < 0.2
    assert (metrics["mean_rank"].value or 0) > 8


def test_a_killed_run_goes_on_to_the_same_weights(hub: Hub, ran: Path, tmp_path: Path) -> None:
    source, where = on_hub(hub)
    out = tmp_path / "killed"
    again = [*words(source, out, *where, *REPEAT), "--checkpoint-every", 3]
    process = run_until_saved(again, out, 12)
    process.send_signal(signal.SIGKILL)
    process.wait()
    succeed(*again)
    record = read_record(out / "run.json", RunRecord)
    assert record.num_resumes == 1
    assert record.weights_sha256 == read_record(ran / "run.json", RunRecord).weights_sha256


def listed(source: object, out: Path, *more: object) -> list[object]:
    given = [word for option in SETTINGS for word in ("--option", option)]
    files = ("--manifest", out / "manifest.parquet", "--plan", out / "plan.json", "--split", "1,0,0")
    return ["list", "--source", source, "--task", "video-text", *given, *files, *more]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("few"), archives_of(2, 4))


def captions_of(folder: Path) -> Path:
    return folder / CONFIG / f"{CONFIG}_cap_processed.json"


def test_a_dataset_file_gives_videos_and_captions_to_a_loop_of_ones_own(few: Path, tmp_path: Path) -> None:
    file = tmp_path / "videos.yaml"
    file.write_text(f"task: video-text\nsource: {few}\nfps: 1\nframes: 5\nsize: 16\nwords: 8\n")
    with library.open(file).loader(3, window="1Mi", repeat=2, repeat_part="20Ki") as loader:
        batches = list(loader)
    assert sum(len(batch["targets"]) for batch in batches) == 16
    inputs = batches[0]["inputs"]
    assert inputs["frames"].shape == (3, 5, 3, 16, 16)
    assert inputs["frame_count"].tolist() == [2, 2, 2]  # 8 frames at 4 a second are 2 s
    assert not inputs["frames"][:, 2:].any()
    assert inputs["words"].shape == (3, 8)
    assert bytes(batches[0]["caption"][0].tolist()).rstrip(b"\0").decode() in KINDS


def test_videos_of_every_archive_and_as_files_are_the_same(tmp_path: Path) -> None:
    """Archives of all kinds that are read, and unpacked ones, in folders that captions do not name."""
    names = [f"made/{number}.mp4" for number in range(6)]
    videos = [video_of(number, number) for number in range(6)]
    entries = [entry(f"other/{name}", KINDS[number]) for number, name in enumerate(names)]
    plain = tar_of({f"./a/{names[0]}": videos[0], f"./a/{names[1]}": videos[1]})
    packed = gzip.compress(tar_of({names[2]: videos[2], names[3]: videos[3]}))
    files = {"x_videos_1.tar": plain, "x_videos_2.tgz": packed, f"x/{names[4]}": videos[4], f"x/{names[5]}": videos[5]}
    files["cap.jsonl"] = "\n".join(json.dumps(each) for each in entries).encode()
    source = written(tmp_path / "source", files)
    file = tmp_path / "videos.yaml"
    file.write_text(f"task: video-text\nsource: {source}\nframes: 2\nsize: 16\n")
    with library.open(file).loader(6, window="1Mi", shuffle=False) as loader:
        (batch,) = list(loader)
    told = [bytes(each.tolist()).rstrip(b"\0").decode() for each in batch["caption"]]
    assert sorted(told) == sorted(KINDS[:6])
    assert batch["inputs"]["frames"].flatten(1).any(dim=1).all()


@pytest.mark.parametrize(("change", "words", "code", "message"), [
    ("[]", (), 30, "no caption of a video is in"),
    ('{"a": 1}', (), 30, "is no list of captions"),
    ("[{", (), 30, "is no list of captions"),
    ('[{"video": 3, "conversations": []}]', (), 30, "is no list of captions"),
    (json.dumps([entry("made/0.mp4", KINDS[0])]), (), 30, "7 of 8 videos have no caption, "),
    (None, ("--option", "fps=0"), 2, "fps"),
    (None, ("--option", "frames=0"), 2, "frames"),
    (None, ("--option", "frames=256", "--option", "size=512"), 2, "more than 16,777,216 a sample"),
    (None, ("--option", "captions=*.txt"), 22, "is named like *.txt: lay them out"),
    (None, ("--option", "videos=*.zip"), 22, "no archive of videos lies under"),
    (None, ("--release", "R1"), 2, "videos have no releases"),
])  # fmt: skip
def test_what_cannot_be_used_is_told(
    few: Path, tmp_path: Path, change: str | None, words: tuple[str, ...], code: int, message: str
) -> None:
    source = tmp_path / "source"
    shutil.copytree(few, source)
    if change is not None:
        captions_of(source).write_text(change)
    fails(code, re.escape(message), *listed(source, tmp_path, *words))


def test_a_few_videos_without_a_caption_are_left_out_and_told(few: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(few, source)
    entries: list[dict[str, Any]] = json.loads(captions_of(source).read_text())
    entries = [*entries[1:], entries[2], entry("made/99.mp4", "  ")]
    captions_of(source).write_text(json.dumps(entries))
    told = succeed(*listed(source, tmp_path, "--option", "uncaptioned-share=0.2"))
    assert "7 samples" in told
    assert "has no caption" in told
    assert "1 caption beyond the first of a video left out" in told
    assert "1 empty caption left out" in told
