"""``penstock export``: networks that others run without Penstock, and that answer as they do here."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from penstock.manifest.reader import ManifestReader
from support import neurips2025
from support.cli import fails, succeed
from support.eeg import write_eeg

NETWORK = """
import torch


class Mean(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer = torch.nn.Linear(channels, 1)

    def forward(self, inputs):
        return self.layer(inputs.square().mean(dim=2))


def factory(*, shape, num_outputs):
    return Mean(shape[0])
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the BIDS root of a dataset in the challenge's layout, of 129 channels."""
    return write_eeg(tmp_path_factory.mktemp("eeg"), num_channels=129, num_subjects=7, num_trials=6)


def trained(
    dataset: Path, out: Path, task: str, *words: object, model: str = "small", learning: tuple[object, ...] = ()
) -> dict[str, Any]:
    """List, train and evaluate; give the evaluation."""
    out.mkdir(parents=True, exist_ok=True)
    files = ("--manifest", out / "manifest.parquet", "--plan", out / "plan.json")
    listed = ("--source", dataset, "--task", task, "--split", "0.4,0.2,0.4", *files, *words)
    succeed("list", *listed)
    succeed(
        *("train", *files, "--model", model, "--epochs", 2, "--batch-size", 8, "--checkpoints", out / "checkpoints"),
        *("--record", out / "run.json", *learning),
    )
    asked = ("--model", model) if ":" in model else ()
    succeed("evaluate", *files, "--checkpoint", out / "checkpoints", "--metrics", out / "metrics.json", *asked)
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def both(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """Return a folder with trainings of both challenges, and how they score here."""
    out = tmp_path_factory.mktemp("trained")
    first = trained(dataset, out / "c1", "eeg-c1")
    more = ("--option", "normalize=microvolts", "--option", "evaluation-crop=scorer", "--option", "resample=100")
    return out, first, trained(dataset, out / "c2", "eeg-c2", *more)


def subjects(out: Path) -> set[str]:
    with ManifestReader(out / "manifest.parquet") as reader:
        part = reader.info.split("test")
        rows = range(part.first_row, part.first_row + part.num_extents)
        return {name.rpartition("/")[2] for name in reader.take(list(rows)).all_groups()}


def nrmse(metrics: dict[str, Any]) -> float:
    found: float = metrics["metrics"]["nrmse"]["value"]
    return found


def exported(out: Path, archive: Path, *words: object) -> str:
    return succeed(
        *("export", "--challenge-1", out / "c1/checkpoints", "--challenge-2", out / "c2/checkpoints"),
        *("--out", archive, *words),
    )


def test_a_submission_scores_in_the_challenges_own_way_what_it_scores_here(
    both: tuple[Path, dict[str, Any], dict[str, Any]], dataset: Path, tmp_path: Path
) -> None:
    out, first, second = both
    archive = tmp_path / "submission.zip"

    said = exported(out, archive)

    assert "tried without Penstock" in said
    with zipfile.ZipFile(archive) as file:
        assert sorted(file.namelist()) == ["submission.py", "weights_challenge_1.pt", "weights_challenge_2.pt"]
        assert b"import penstock" not in file.read("submission.py")
        assert b"from penstock" not in file.read("submission.py")
    submission = neurips2025.unpacked(archive, tmp_path / "unpacked")
    here = subjects(out / "c1"), subjects(out / "c2")
    model = submission.get_model_challenge_1()
    assert neurips2025.score(model, neurips2025.trials(dataset, here[0])) == pytest.approx(nrmse(first), abs=1e-3)
    model = submission.get_model_challenge_2()
    crops = neurips2025.crops(dataset, here[1], seed=42)
    assert neurips2025.score(model, crops) == pytest.approx(nrmse(second), abs=1e-3)
    middles = neurips2025.crops(dataset, here[1], seed=None)
    assert neurips2025.score(model, middles) != pytest.approx(nrmse(second), abs=1e-9)


def test_an_adapted_network_scores_there_what_it_scores_here(
    both: tuple[Path, dict[str, Any], dict[str, Any]], dataset: Path, tmp_path: Path
) -> None:
    people = sorted(path.name for path in dataset.glob("sub-*"))
    lists = {"train": people[:3], "target": people[3:5], "test": people[5:]}
    chosen = [word for name, who in lists.items() for word in ("--option", f"{name}-subjects={','.join(who)}")]
    adapt = ("--adapt", "dann")
    first = trained(dataset, tmp_path / "c1", "eeg-c1", *chosen, "--split", "1,0,0", learning=adapt)
    (tmp_path / "c2").symlink_to(both[0] / "c2")

    exported(tmp_path, tmp_path / "submission.zip")

    submission = neurips2025.unpacked(tmp_path / "submission.zip", tmp_path / "unpacked")
    trials = neurips2025.trials(dataset, set(people[5:]))
    assert neurips2025.score(submission.get_model_challenge_1(), trials) == pytest.approx(nrmse(first), abs=1e-3)


def test_a_network_of_ones_own_goes_with_its_modules_file(
    both: tuple[Path, dict[str, Any], dict[str, Any]], dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "own_net.py").write_text(NETWORK)
    monkeypatch.setenv("PYTHONPATH", str(package))
    monkeypatch.syspath_prepend(str(package))
    first = trained(dataset, tmp_path / "c1", "eeg-c1", model="own_net:factory")
    (tmp_path / "c2").symlink_to(both[0] / "c2")
    words = ("export", "--challenge-1", tmp_path / "c1/checkpoints", "--challenge-2", tmp_path / "c2/checkpoints")

    fails(2, "model of one's own.*pass --model-1 own_net:factory", *words, "--out", tmp_path / "no.zip")
    exported(tmp_path, tmp_path / "submission.zip", "--model-1", "own_net:factory")

    assert not (tmp_path / "no.zip").exists()
    submission = neurips2025.unpacked(tmp_path / "submission.zip", tmp_path / "unpacked")
    trials = neurips2025.trials(dataset, subjects(tmp_path / "c1"))
    assert neurips2025.score(submission.get_model_challenge_1(), trials) == pytest.approx(nrmse(first), abs=1e-3)


def test_a_network_that_needs_what_the_scorer_has_not_is_refused(
    both: tuple[Path, dict[str, Any], dict[str, Any]], dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaning_net.py").write_text("import leaning_help\n" + NETWORK)
    (tmp_path / "leaning_help.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    trained(dataset, tmp_path / "c1", "eeg-c1", model="leaning_net:factory")
    (tmp_path / "c2").symlink_to(both[0] / "c2")

    fails(
        2,
        "cannot be used without Penstock: ModuleNotFoundError: No module named 'leaning_help'",
        *("export", "--challenge-1", tmp_path / "c1/checkpoints", "--challenge-2", tmp_path / "c2/checkpoints"),
        *("--model-1", "leaning_net:factory", "--out", tmp_path / "submission.zip"),
    )
    assert not (tmp_path / "submission.zip").exists()


def test_checkpoints_that_the_challenge_does_not_ask_for_are_refused(
    both: tuple[Path, dict[str, Any], dict[str, Any]], dataset: Path, tmp_path: Path
) -> None:
    out = both[0]
    c1, c2 = out / "c1/checkpoints", out / "c2/checkpoints"
    to = ("--out", tmp_path / "submission.zip")
    fails(
        62, "is of the task 'eeg-c2', challenge 1 is 'eeg-c1'", "export", "--challenge-1", c2, "--challenge-2", c1, *to
    )
    trained(dataset, tmp_path / "early", "eeg-c1", "--option", "epoch-start=0.2")
    early = ("--challenge-1", tmp_path / "early/checkpoints", "--challenge-2", c2)
    fails(62, "epoch-start=0.2, the challenge's scorer has 0.5", "export", *early, *to)
    trained(dataset, tmp_path / "filtered", "eeg-c1", "--option", "band-pass=1-30")
    filtered = ("--challenge-1", tmp_path / "filtered/checkpoints", "--challenge-2", c2)
    fails(
        62, "made with band-pass=1-30: the challenge's scorer gives 2 s as they were recorded", "export", *filtered, *to
    )
    few = write_eeg(tmp_path / "few", num_channels=8, num_subjects=7, num_trials=6)
    trained(few, tmp_path / "small", "eeg-c1")
    fails(
        *(62, r"shape \(8, 200\)", "export", "--challenge-1", tmp_path / "small/checkpoints"),
        *("--challenge-2", c2, *to),
    )
    fails(2, "argument --format", "export", "--challenge-1", c1, "--challenge-2", c2, "--format", "onnx", *to)
    assert not (tmp_path / "submission.zip").exists()


def test_weights_of_a_submission_run_no_code(both: tuple[Path, dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    exported(both[0], tmp_path / "submission.zip")
    with zipfile.ZipFile(tmp_path / "submission.zip") as file:
        file.extract("weights_challenge_1.pt", tmp_path)
    kept = torch.load(tmp_path / "weights_challenge_1.pt", weights_only=True)
    assert kept["normalize"] == "zscore"
