"""Recordings of every kind through the library's face and the command line, from a folder, S3 and HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock.errors import DataError
from support.cli import Bucket
from support.cli import penstock as cli
from support.eeg_kinds import dataset
from support.recordings import brainvision, edf_plus, eeglab, fif, microvolts
from support.web_server import serve_web

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM = 1000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of one recording as six files, in steps of 0.1 microvolts, with one event in each."""
    made = tmp_path_factory.mktemp("made")
    steps = np.round(microvolts(4, NUM) * 10)
    micro = steps / 10
    body = np.ascontiguousarray(micro.T, "<f4").tobytes()
    files = {
        **brainvision(steps, name="vision", markers=[("Stimulus", "S  1", 301, 1)]),
        "lab.set": eeglab("lab.fdt", 4, NUM, events=[("S1", 301.0)]),
        "lab.fdt": body,
        "packed.set": eeglab(micro, 4, NUM, events=[("S1", 301.0)], packed=True),
        "tags_raw.fif": fif(micro * 1e-6, made),
        "plus.edf": edf_plus(steps.astype(np.int32), annotations=[(3, "+3\x14S1\x14")]),
        "plus.bdf": edf_plus(steps.astype(np.int32), width_bytes=3, annotations=[(3, "+3\x14S1\x14")]),
    }
    (made / "written_raw.fif").unlink()
    for name, data in files.items():
        path = made / name.partition(".")[0] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return made


def windows(made: penstock.Dataset) -> list[dict[str, Any]]:
    with made.loader(8, epochs=1, window="64Mi", shuffle=False, collate=list) as loader:
        return [value for batch in loader for value in batch]


@pytest.mark.parametrize("where", ["folder", "s3", "http"])
def test_every_kind_gives_the_same_windows_from_every_place(
    folder: Path, bucket: Bucket, tmp_path: Path, where: str
) -> None:
    options: dict[str, Any] = {"options": {"seconds": 2.5, "channels": ["Pz", "Fz"]}}
    if where == "http":
        with serve_web(tmp_path, folder) as web:
            found = windows(penstock.of_format("recordings", web.json, **options))
    elif where == "s3":
        bucket.upload(folder, "in/")
        place: dict[str, Any] = {"endpoint_url": bucket.url, "region": "us-east-2"}
        found = windows(penstock.of_format("recordings", f"s3://{bucket.name}/in", **place, **options))
    else:
        found = windows(penstock.of_format("recordings", folder, **options))
    expected = np.round(microvolts(4, NUM) * 10)[[2, 0]] * 1e-7
    assert len(found) == 6 * 4
    for value in found:
        first = round(value["start"] * 100)
        assert value["signal"].dtype == np.float32
        np.testing.assert_allclose(value["signal"], expected[:, first : first + 250], rtol=1e-5, atol=1e-10)
    assert sorted(value["start"] for value in found) == sorted([0, 2.5, 5, 7.5] * 6)


def test_events_of_every_kind_are_batched(folder: Path) -> None:
    options = {"events": ["S1", "Stimulus/*"], "tmin": -0.5, "tmax": 1.0}
    made = penstock.of_format("recordings", folder, match="*.{vhdr,set,edf,bdf}", options=options)
    with made.loader(5, epochs=1, window="64Mi") as loader:
        (batch,) = list(loader)
    assert tuple(batch["signal"].shape) == (5, 4, 150)
    assert sorted(batch["event"]) == ["S1"] * 4 + ["Stimulus/S  1"]
    assert batch["start"].tolist() == [2.5] * 5


def test_a_part_that_was_cut_off_is_an_error(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "vision").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    numbers = tmp_path / "vision.eeg"
    numbers.write_bytes(numbers.read_bytes()[:-8])
    made = penstock.of_format("recordings", tmp_path, match="*.vhdr", options={"seconds": 1.0})
    with pytest.raises(DataError, match=r"vision\.eeg has 7992 bytes, 8000 by vision\.vhdr are needed"):
        windows(made)


@pytest.mark.parametrize("kind", ["brainvision", "eeglab-packed"])
def test_list_and_train_and_evaluate_by_the_command_line(kind: str, tmp_path: Path) -> None:
    bids = dataset(tmp_path / "data", kind, "ABC")
    out = tmp_path / "out"
    words = ("run", "--task", "eeg-c1", "--source", bids.folder, "--out", out, "--split", "0.34,0.33,0.33", "--seed", 1)
    done = cli(*words, "--epochs", 1, "--batch-size", 2, "--window-size", "64Mi", "--threads", 1)
    assert done.returncode == 0, done.stderr
    record = json.loads((out / "run.json").read_text())
    assert record["epochs"][0]["num_samples"] == 4


def test_inspect_tells_of_recordings_of_every_kind(folder: Path) -> None:
    done = cli("inspect", folder)
    assert done.returncode == 0, done.stderr
    for told in (
        "vision/vision.vhdr: BrainVision, 10.0 s; 1 annotation",
        "lab/lab.set: EEGLAB, 10.0 s; 1 annotation",
        "tags_raw/tags_raw.fif: FIF, 10.0 s",
        "plus/plus.edf: EDF, 10.0 s",
        "plus/plus.bdf: BDF, 10.0 s",
        "4 channels  100 Hz, µV  Fz, Cz, Pz, Oz",
    ):
        assert told in done.stdout
