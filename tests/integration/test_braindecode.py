"""Networks of braindecode by name: built, trained, scored and exported, where the library is installed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from penstock.errors import ConfigError
from penstock.recipes.registry import build_model
from support import neurips2025
from support.cli import fails, succeed
from support.eeg import write_eeg

pytest.importorskip("braindecode", reason="braindecode is not installed")
from penstock.recipes.eeg import libraries

MODEL = "braindecode:EEGNetv4"
TAKEN = {
    "EEGConformer", "EEGITNet", "EEGInception", "EEGInceptionERP", "EEGNetv1", "EEGNetv4", "ShallowFBCSPNet",
    "SleepStagerChambon2018", "TIDNet",
}  # fmt: skip
"""Of 0.8.1, for 2 s at 100 Hz, as the page of EEG says."""


def trained(dataset: Path, out: Path, task: str) -> float:
    """List, train and evaluate; give the error."""
    files = ("--manifest", out / "m.parquet", "--plan", out / "p.json")
    out.mkdir()
    succeed("list", "--source", dataset, "--task", task, "--split", "0.4,0.2,0.4", *files)
    learning = ("--model", MODEL, "--epochs", 2, "--batch-size", 8)
    succeed("train", *files, *learning, "--checkpoints", out / "checkpoints", "--record", out / "run.json")
    succeed("evaluate", *files, "--checkpoint", out / "checkpoints", "--metrics", out / "metrics.json")
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())["metrics"]
    return float(metrics["nrmse"]["value"])


def test_it_trains_is_scored_and_goes_into_a_submission(tmp_path: Path) -> None:
    dataset = write_eeg(tmp_path / "eeg", num_channels=129, num_subjects=7, num_trials=6)
    first = trained(dataset, tmp_path / "c1", "eeg-c1")
    trained(dataset, tmp_path / "c2", "eeg-c2")

    words = [word for number in (1, 2) for word in (f"--challenge-{number}", tmp_path / f"c{number}/checkpoints")]
    succeed("export", *words, "--out", tmp_path / "s.zip")

    with zipfile.ZipFile(tmp_path / "s.zip") as file:
        assert b"from braindecode.models import EEGNetv4" in file.read("model_challenge_1.py")
    submission = neurips2025.unpacked(tmp_path / "s.zip", tmp_path / "unpacked")
    names = {each["group"].rpartition("/")[2] for each in _rows(tmp_path / "c1/m.parquet")}
    model = submission.get_model_challenge_1()
    assert neurips2025.score(model, neurips2025.trials(dataset, names)) == pytest.approx(first, abs=1e-3)


def _rows(manifest: Path) -> list[dict[str, Any]]:
    from penstock.manifest.reader import ManifestReader

    with ManifestReader(manifest) as reader:
        return [{"group": row.group} for row in reader.rows("test")]


def test_each_is_built_or_says_why_not() -> None:
    built, refused = set(), []
    for name in libraries._networks():
        try:
            model = build_model(f"braindecode:{name}", task="eeg-c1", shape=(8, 200), num_outputs=1)
        except ConfigError as error:
            refused.append((name, str(error)))
            continue
        found = model.eval()(torch.randn(16, 8, 200))
        assert found.shape == (16, 1)
        assert found.std() > 0
        built.add(name)
    assert built >= TAKEN
    assert all(f"braindecode:{name}" in told and "\n" not in told for name, told in refused)


def test_names_that_there_are_none_of_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="braindecode has no model 'EEGNetv5': did you mean EEGNetv"):
        build_model("braindecode:EEGNetv5", task="eeg-c1", shape=(8, 200), num_outputs=1)
    dataset = write_eeg(tmp_path / "eeg")
    files = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json")
    succeed("list", "--source", dataset, "--task", "eeg-c1", "--split", "0.5,0.25,0.25", *files)
    out = ("--checkpoints", tmp_path / "c", "--record", tmp_path / "r.json")
    fails(2, "braindecode:ATCNet cannot be built", "train", *files, "--model", "braindecode:ATCNet", *out)
