"""A file of ours where another of ours is wanted, and whatever else lies about: told as what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from penstock.cli import main
from support.eeg import write_eeg

WANTED = {
    "train --manifest": "manifest",
    "train --plan": "plan",
    "evaluate --manifest": "manifest",
    "evaluate --plan": "plan",
    "evaluate --checkpoint": "checkpoint",
    "prefetch --manifest": "manifest",
    "prefetch --plan": "plan",
    "report --run-record": "run",
    "report --evaluation": "evaluation",
    "report --step-record": "step",
    "report --prices": "prices",
}
TOLD = {
    "manifest": "a Parquet file",
    "plan": "a plan (of `penstock list --plan`)",
    "run": "a run record (of `penstock train --record`)",
    "step": "the record of another step than train",
    "pointer": "the pointer to a checkpoint (best.json, latest.json or previous.json)",
    "page": "an HTML page",
    "empty": "an empty file",
    "image": "a PNG image",
}
"""What each is said to be; files whose kind is told otherwise, or by the way out alone, are not here."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    data = write_eeg(folder / "data", num_trials=4, num_channels=2)
    found = {name: folder / name for name in ("plan", "step", "run", "page", "empty", "image", "folder", "pipe")}
    found |= {"manifest": folder / "m.parquet", "foreign": folder / "foreign.pt"}
    listed = ["--manifest", str(found["manifest"]), "--plan", str(found["plan"])]
    source = ["--source", str(data), "--task", "eeg-c2", "--record", str(found["step"])]
    assert main(["list", *source, *listed]) == 0
    train = ["--window-size", "1Mi", "--epochs", "1", "--batch-size", "16", "--threads", "1", "--device", "cpu"]
    outputs = ["--checkpoints", str(folder / "checkpoints"), "--record", str(found["run"])]
    assert main(["train", *listed, *train, *outputs]) == 0
    found["checkpoint"] = next((folder / "checkpoints").glob("best-*.pt"))
    found["pointer"] = folder / "checkpoints" / "best.json"
    found["page"].write_text("<!DOCTYPE html><html></html>")
    found["empty"].touch()
    found["image"].write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    found["folder"].mkdir()
    os.mkfifo(found["pipe"])
    torch.save({"weights": torch.zeros(3)}, found["foreign"])
    return found


@pytest.mark.parametrize("option", WANTED)
def test_a_file_of_another_kind_is_told_as_what_it_is(
    files: dict[str, Path], tmp_path: Path, option: str, capfd: pytest.CaptureFixture[str]
) -> None:
    step, flag = option.split()
    given = {"--manifest": files["manifest"], "--plan": files["plan"]}
    outputs: dict[str, Path | str] = {"--window-size": "1Mi"}
    if step == "train":
        outputs |= {"--checkpoints": tmp_path / "checkpoints", "--record": tmp_path / "record"}
    if step == "evaluate":
        outputs |= {"--checkpoint": files["checkpoint"], "--metrics": tmp_path / "metrics"}
    if step == "report":
        given, outputs = {"--run-record": files["run"]}, {"--html": tmp_path / "html"}
    for name, path in files.items():
        if name == WANTED[option] or (name == "folder" and flag == "--checkpoint"):
            continue
        words = [str(word) for pair in (given | outputs | {flag: path}).items() for word in pair]
        code = main([step, *words])
        told = capfd.readouterr().err
        assert code in (2, 24, 61, 70), (name, told)
        assert "Traceback" not in told
        assert str(path) in told, name
        assert f"penstock {step}: error: " in told
        if name in TOLD:
            assert TOLD[name] in told, (name, told)


def test_the_pointer_to_a_checkpoint_leads_to_it(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--manifest", files["manifest"], "--plan", files["plan"], "--metrics", tmp_path / "metrics"]
    for name in ("best.json", "latest.json"):
        pointer = files["pointer"].with_name(name)
        assert main(["evaluate", *map(str, words), "--window-size", "1Mi", "--checkpoint", str(pointer)]) == 61
        told = capsys.readouterr().err
        assert "not the checkpoint itself: pass the folder, " in told
        named = told.split(" or ")[-1].split(", which")[0]
        assert Path(named).is_file()
    assert main(["evaluate", *map(str, words), "--window-size", "1Mi", "--checkpoint", named]) == 0
