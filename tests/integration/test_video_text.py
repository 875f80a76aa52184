"""The task `video-text`, as a user runs it: archives of videos on a Hub, with captions, through a bounded window."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.records import Evaluation, PictureFigure, RunRecord, read_record
from support.captioned import KINDS, SETTINGS, archives_of
from support.cli import succeed
from support.hub_server import Hub, serve_hub
from support.jobs import run_until_saved

ARCHIVES, EACH = 24, 10
TRAINING = ("--batch-size", 24, "--learning-rate", 0.003, "--threads", 1, "--prefetch", "process")
REPEAT = ("--repeat", 4, "--repeat-part", "100Ki", "--window-size", "2Mi")


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


def words(source: object, out: Path, *more: object, epochs: int = 3) -> list[object]:
    given = [word for option in SETTINGS for word in ("--option", option)]
    split = ("--split", "0.7,0.1,0.2", "--epochs", epochs)
    return ["run", "--source", source, "--task", "video-text", *given, *split, *TRAINING, *more, "--out", out]


def on_hub(hub: Hub) -> tuple[str, tuple[object, ...]]:
    return "hf://datasets/org/name", ("--endpoint-url", hub.url)


def found_in(out: Path) -> Evaluation:
    return read_record(out / "evaluation.json", Evaluation)


def test_captions_are_matched_far_above_chance_through_parts_of_archives(hub: Hub, tmp_path: Path) -> None:
    source, where = on_hub(hub)
    out = tmp_path / "out"

    succeed(*words(source, out, *where, *REPEAT))

    metrics = found_in(out).metrics
    recall, rank = metrics["recall_at_1"], metrics["mean_rank"]
    assert recall.baseline is not None
    assert rank.baseline is not None
    assert recall.value is not None
    assert rank.value is not None
    assert recall.baseline.value == pytest.approx(1 / len(KINDS), abs=0.01)
    assert recall.value > 0.4
    assert rank.value < 4 < rank.baseline.value
    ran = read_record(out / "run.json", RunRecord)
    assert ran.meters.window_high_water_bytes <= 2 << 20
    shown = [figure for figure in found_in(out).figures if isinstance(figure, PictureFigure)]
    assert shown[0].rows[0].pictures[0].png.startswith(b"\x89PNG")
    assert any(kind in shown[0].rows[0].caption for kind in KINDS)
    assert "Videos and captions" in (out / "report.html").read_text()


def test_captions_of_other_videos_are_not_matched(unlike: Path, tmp_path: Path) -> None:
    succeed(*words(unlike, tmp_path / "out", *REPEAT, epochs=2))
    metrics = found_in(tmp_path / "out").metrics
    assert (metrics["recall_at_1"].value or 0) < 0.2
    assert (metrics["mean_rank"].value or 0) > 8


def test_a_killed_run_goes_on_to_the_same_weights(hub: Hub, tmp_path: Path) -> None:
    source, where = on_hub(hub)
    out, killed = tmp_path / "out", tmp_path / "killed"
    succeed(*words(source, out, *where, *REPEAT, epochs=1))
    again = [*words(source, killed, *where, *REPEAT, epochs=1), "--checkpoint-every", 2]
    process = run_until_saved(again, killed, 7)
    process.send_signal(signal.SIGKILL)
    process.wait()
    succeed(*again)
    ran = read_record(killed / "run.json", RunRecord)
    assert ran.weights_sha256 == read_record(out / "run.json", RunRecord).weights_sha256
