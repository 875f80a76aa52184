"""The task `clips`, as a user runs it: pairs of files and parts of films, from a disk and from S3, and killed."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch

import penstock as library
from penstock.records import Evaluation, PictureFigure, RunRecord, read_record
from support.cli import Bucket, fails, penstock, succeed
from support.clips import CLASSES, SETTINGS, Planted, film, write_films, write_pairs
from support.jobs import run_until_saved

pytestmark = pytest.mark.usefixtures("children_are_forked")

COUNT = 64
TRAINING = ("--batch-size", 4, "--learning-rate", 0.003, "--threads", 1, "--window-size", "1Mi")


def words(source: object, out: Path, *options: str, epochs: int = 5) -> list[object]:
    given = [word for option in (*SETTINGS, *options) for word in ("--option", option)]
    split = ("--split", "0.5,0.1,0.4", "--epochs", epochs)
    return ["run", "--source", source, "--task", "clips", *given, *split, *TRAINING, "--out", out]


def value(out: Path, metric: str = "auroc") -> float:
    return float(read_record(out / "evaluation.json", Evaluation).metrics[metric].value or 0)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[Planted, Path]:
    """Return datasets by what tells their classes."""
    kinds: tuple[Planted, ...] = ("video", "audio", "nothing")
    return {kind: write_pairs(tmp_path_factory.mktemp(kind), COUNT, planted=kind) for kind in kinds}


@pytest.mark.parametrize(("planted", "model", "least", "most"), [
    ("video", "fusion", 0.95, 1.0),
    ("audio", "fusion", 0.95, 1.0),
    ("video", "audio", 0.0, 0.8),
    ("audio", "video", 0.0, 0.8),
    ("nothing", "fusion", 0.0, 0.8),
])  # fmt: skip
def test_what_is_planted_is_learnt_and_nothing_else(
    pairs: dict[Planted, Path], tmp_path: Path, planted: Planted, model: str, least: float, most: float
) -> None:
    out = tmp_path / "out"

    succeed(*words(pairs[planted], out), "--model", model)

    assert least <= value(out) <= most
    found = read_record(out / "evaluation.json", Evaluation)
    assert found.classes == CLASSES
    shown = [figure for figure in found.figures if isinstance(figure, PictureFigure)]
    assert shown[0].rows[0].pictures[0].png.startswith(b"\x89PNG")
    assert "Frames of clips" in (out / "report.html").read_text()


def test_parts_of_films_on_s3_are_learnt_and_a_killed_run_goes_on_to_the_same_weights(
    bucket: Bucket, tmp_path: Path
) -> None:
    bucket.upload(write_films(tmp_path / "films", 14), "set/")
    source, out, killed = f"{bucket.uri}/set", tmp_path / "out", tmp_path / "killed"
    asked = ("table=clips.csv",)
    succeed(*words(source, out, *asked), *bucket.options)
    assert value(out) > 0.95
    again = [*words(source, killed, *asked), *bucket.options, "--checkpoint-every", 2]
    process = run_until_saved(again, killed, 5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    succeed(*again)
    ran = read_record(killed / "run.json", RunRecord)
    assert ran.weights_sha256 == read_record(out / "run.json", RunRecord).weights_sha256


def test_clips_of_one_film_stay_in_one_split(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 8)

    said = succeed(
        *("list", "--source", films, "--task", "clips", "--option", "table=clips.csv", "--split", "0.5,0.25,0.25"),
        *("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json"),
    )

    assert "32 samples" in said
    groups = [int(line.split()[3]) for line in said.splitlines() if line.strip().startswith(("train", "valid", "test"))]
    assert sum(groups) == 8


def test_clips_that_lack_a_half_are_named_and_more_than_a_few_are_refused(
    pairs: dict[Planted, Path], tmp_path: Path
) -> None:
    source = tmp_path / "data"
    shutil.copytree(pairs["nothing"] / "data", source / "data")
    (source / "data/ads/audio/0002.wav").unlink()
    listed = ("list", "--source", source, "--task", "clips", "--manifest", tmp_path / "m.parquet")
    more = ("--plan", tmp_path / "plan.json")

    said = succeed(*listed, *more)

    assert "data/ads/0002" in said
    assert "has pictures and no sound" in said
    for number in range(1, 9, 2):
        (source / f"data/games/video/{number:04}.mp4").unlink()
    fails(30, r"5 of 64 clips lack a half, data/ads/0002 \(no sound\), .*unpaired-share", *listed, *more)
    succeed(*listed, *more, "--option", "unpaired-share=0.2")
    shutil.rmtree(source / "data/ads")
    fails(30, "are of the class 'games'.*two classes", *listed, *more, "--option", "unpaired-share=0.5")
    shutil.rmtree(source / "data/games/audio")
    fails(22, "nothing under .* lies in a folder audio of a class.*ads/video/1.mp4", *listed, *more)


def test_a_file_that_cannot_be_decoded_is_named_or_left_out(pairs: dict[Planted, Path], tmp_path: Path) -> None:
    source = tmp_path / "data"
    shutil.copytree(pairs["video"] / "data", source / "data")
    broken = source / "data/ads/video/0004.mp4"
    broken.write_bytes(broken.read_bytes()[:600])
    (source / "data/ads/audio/0006.wav").write_bytes(b"no sound at all")

    done = penstock(*words(source, tmp_path / "out", epochs=1))

    assert done.returncode in (30, 31, 32), done.stderr
    assert "data/ads/000" in done.stderr
    succeed(*words(source, tmp_path / "skipped", epochs=1), "--on-bad-sample", "skip")
    bad = {item.key for step in ("run", "evaluation") for item in _skipped(tmp_path / "skipped" / f"{step}.json")}
    assert bad == {"data/ads/0004", "data/ads/0006"}


def _skipped(path: Path) -> list[object]:
    kind = RunRecord if path.name == "run.json" else Evaluation
    return list(read_record(path, kind).meters.skipped)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("table", "code", "told"), [
    ("file,start,end\nfilms/00.mp4,0,2\n", 2, "has no column 'label'"),
    ("file,start,end,label\n", 30, "has no rows"),
    ("file,start,end,label\nfilms/00.mp4,2,1,ads\n", 30, "clips.csv.*line 2.*2 to 1 s is no part"),
    ("file,start,end,label\nfilms/00.mp4,x,1,ads\n", 30, "start is 'x'"),
    ("file,start,end,label\nfilms/00.mp4,0,1,\n", 30, "the column label is empty"),
    ("file,start,end,label\nfilms/00.mp4,0,1,ads\nfilms/00.mp4,0,1,games\n", 30, "comes twice"),
    ("file,start,end,label\nfilms/00.mp4,0,1,ads\nfilms/00.mp4,1,2,ads\n", 30, "two classes"),
    ("file,start,end,label\nfilms/00.mp4,0,1,ads\nfilms/77.mp4,1,2,games\n", 24, "no films/77.mp4"),
    ("file,start,end,label\n../clips.mp4,0,1,ads\nfilms/00.mp4,1,2,games\n", 24, "no ../clips.mp4"),
    ("file,start,end,label\n/etc/passwd,0,1,ads\nfilms/00.mp4,1,2,games\n", 24, "no /etc/passwd"),
    ("file,start,end,label\nfilms/00.mp4,0,1,ads\nfilms/00.mp4,900,902,games\n", 30, "no clip from 900 to 902"),
])  # fmt: skip
def test_tables_that_say_nothing_are_refused(tmp_path: Path, table: str, code: int, told: str) -> None:
    films = write_films(tmp_path / "films", 1)
    (films / "clips.csv").write_text(table)

    fails(
        *(code, told, "list", "--source", films, "--task", "clips", "--option", "table=clips.csv"),
        *("--split", "1,0,0", "--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json"),
    )

    assert not (tmp_path / "m.parquet").exists()


def test_times_of_a_table_may_have_any_number_of_decimals(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 2)
    rows = ["file,start,end,label"]
    for number in range(2):
        rows += [f"films/{number:02}.mp4,{each / 3!r},{each / 3 + 1 / 7!r},{CLASSES[each % 2]}" for each in range(6)]
    (films / "clips.csv").write_text("\n".join([*rows, ""]))

    said = succeed(
        *("list", "--source", films, "--task", "clips", "--option", "table=clips.csv", "--split", "1,0,0"),
        *("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "plan.json"),
    )

    assert "12 samples" in said


def test_the_library_gives_the_same_clips_with_sound_of_a_file_of_its_own(tmp_path: Path) -> None:
    films = write_films(tmp_path / "films", 2)
    (films / "sound").mkdir()
    for number in range(2):
        shutil.copy(films / f"films/{number:02}.mp4", films / f"sound/{number:02}.mp4")
    rows = (films / "clips.csv").read_text().splitlines()
    apart = [rows[0] + ",audio", *(f"{row},{row.partition(',')[0].replace('films', 'sound')}" for row in rows[1:])]
    (films / "apart.csv").write_text("\n".join(apart))
    small = {"frames": 8, "size": 16, "steps": 20, "coefficients": 16}

    def read(table: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        with library.clips(films, table=table, **small).loader(8, shuffle=False, window="1Mi") as loader:
            assert loader.classes == CLASSES
            clips, labels = next(iter(loader))
            return clips["frames"], clips["mfcc"], labels

    (frames, told, labels), (other_frames, other_told, other_labels) = read("clips.csv"), read("apart.csv")

    assert frames.shape == (8, 8, 3, 16, 16)
    assert frames.dtype == torch.uint8
    assert told.shape == (8, 16, 20)
    assert torch.equal(frames, other_frames)
    assert torch.allclose(told, other_told, atol=1e-3)
    assert labels.tolist() == other_labels.tolist()


def test_a_network_of_ones_own_takes_the_same_inputs(
    pairs: dict[Planted, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_clips.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Module):\n"
        "    def __init__(self, outputs):\n        super().__init__()\n"
        "        self.layer = torch.nn.Linear(16, outputs)\n\n"
        "    def forward(self, inputs):\n        return self.layer(inputs['mfcc'].mean(dim=2) / 100)\n\n\n"
        "def factory(*, shape, num_outputs):\n    assert shape == (8, 3, 16, 16, 16, 20)\n    return Net(num_outputs)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))

    succeed(*words(pairs["audio"], tmp_path / "out", epochs=1), "--model", "own_clips:factory")

    assert json.loads((tmp_path / "out/evaluation.json").read_text())["model"] == "own_clips:factory"


def test_a_film_of_another_rate_and_size_gives_the_same_shape(tmp_path: Path) -> None:
    for label, name in enumerate(CLASSES):
        for side in ("video", "audio"):
            (tmp_path / "set" / name / side).mkdir(parents=True)
        (tmp_path / f"set/{name}/video/1.mp4").write_bytes(film([label], seed=1, seconds=1.0 + label))
        shutil.copy(write_films(tmp_path / f"f{label}", 1) / "films/00.mp4", tmp_path / f"set/{name}/audio/1.mp4")
    dataset = library.clips(tmp_path / "set", frames=8, size=16)

    with dataset.loader(2, shuffle=False, window="1Mi") as loader:
        clip, labels = next(iter(loader))

    assert clip["frames"].shape == (2, 8, 3, 16, 16)
    assert clip["mfcc"].shape == (2, 32, 100)
    assert labels.tolist() == [0, 1]
