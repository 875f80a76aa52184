"""Training and scoring where there is no score, or where there should be none: told, and never taken for a good one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.errors import CheckpointMismatch, ConfigError
from penstock.records import Evaluation, RunRecord, read_record, write_record
from penstock.steps import evaluate, listing, report, train
from penstock.steps.options.steps import options_of
from support.eeg import write_eeg
from support.options import config_of

STEPS: dict[str, Any] = {"list": listing, "train": train, "evaluate": evaluate, "report": report}


def step(name: str, *words: object) -> None:
    assert STEPS[name].run(config_of(options_of(name), *words)) == 0


class Made:
    """A network that was trained on a score of each of four subjects: one subject to validate, one to test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = write_eeg(folder / "data", num_trials=4, num_channels=2)
        self.own = self.list(folder / "own")
        fed = (*self.own, "--window-size", "1Mi", "--workers", 0)
        words = ("--epochs", 3, "--batch-size", 16, "--threads", 1, "--device", "cpu", "--patience", 1)
        outputs = ("--checkpoints", folder / "checkpoints", "--record", folder / "run.json")
        step("train", *fed, *words, *outputs)

    def list(self, out: Path, *words: object) -> tuple[object, ...]:
        made = ("--manifest", out / "m.parquet", "--plan", out / "plan.json")
        step("list", "--source", self.data, "--task", "eeg-c2", *made, *words)
        return made

    def evaluate(self, listed: tuple[object, ...], *words: object) -> Evaluation:
        metrics, plot = self.folder / "metrics.json", self.folder / "plot.svg"
        fed = (*listed, "--window-size", "1Mi", "--workers", 0, "--checkpoint", self.folder / "checkpoints")
        step("evaluate", *fed, "--metrics", metrics, "--plot", plot, *words)
        assert plot.read_text().startswith("<svg")
        assert "nan" not in plot.read_text().lower()
        return read_record(metrics, Evaluation)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("scoring"))


def test_an_undefined_validation_score_is_never_best(made: Made) -> None:
    run = read_record(made.folder / "run.json", RunRecord)
    assert [epoch.valid["nrmse"].value for epoch in run.epochs] == [None] * 3
    assert all("targets are" in epoch.valid["nrmse"].undefined for epoch in run.epochs)
    assert all(epoch.valid["rmse"].value is not None for epoch in run.epochs)
    # With no score at all the last epoch's weights are kept, and patience has nothing to lose.
    assert run.best_epoch == 2
    weights = json.loads((made.folder / "checkpoints" / "best.json").read_text())
    assert weights["epoch"] == 2


def test_an_undefined_score_is_null_with_its_reason_and_a_dash(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = {"outputFile": str(made.folder / "executor.json"), "artifacts": {}}
    outputs["artifacts"] = {"metrics_ui": {"artifacts": [{"name": "metrics_ui", "uri": "x"}]}}  # type: ignore[assignment]
    found = made.evaluate(made.own, "--executor-input", json.dumps({"outputs": outputs}))
    body = json.loads((made.folder / "metrics.json").read_text())
    assert all(body["metrics"][name]["value"] is None for name in ("nrmse", "r2", "subject_nrmse"))
    assert "targets are" in body["metrics"]["nrmse"]["undefined"]
    assert found.metrics["rmse"].value is not None
    told = capsys.readouterr().out
    assert "nrmse –" in told
    assert re.search(r"nrmse, r2, pearson.* undefined: all \d+ targets are", told)
    shown = json.loads((made.folder / "executor.json").read_text())["artifacts"]["metrics_ui"]["artifacts"][0]
    assert "rmse" in shown["metadata"]
    assert "nrmse" not in shown["metadata"]
    pages = ("--html", made.folder / "report.html", "--markdown", made.folder / "report.md")
    records = ("--run-record", made.folder / "run.json", "--evaluation", made.folder / "metrics.json")
    step("report", *records, *pages)
    assert re.search(r"\| NRMSE, test split \| – \| undefined: all \d+ targets are", (pages[3]).read_text())  # type: ignore[attr-defined]
    assert "undefined: all" in (made.folder / "report.html").read_text()


def test_another_manifest_is_refused_and_its_leaks_are_named(made: Made) -> None:
    assert made.evaluate(made.own).seen_groups == 0
    other = made.list(made.folder / "other", "--seed", 18, "--split", "0.4,0.3,0.3")
    with pytest.raises(
        CheckpointMismatch, match=r"trained on the manifest .*, its seed 0, not 18; this one is .*: .* of the \d groups"
    ):
        made.evaluate(other)
    leaking = None
    for split in ("train", "valid", "test"):
        found = made.evaluate(other, "--other-data", "--split", split)
        assert found.manifest_fingerprint != found.trained_fingerprint
        assert found.seen_groups is not None
        assert f"scored on other data (manifest {found.manifest_fingerprint[:12]})" in found.notes[0]
        if found.seen_groups:
            leaking = found
            assert "were trained on (sub-NDARDEMO00" in found.notes[0]
        else:
            assert f"none of the {found.num_groups} groups" in found.notes[0]
    assert leaking is not None
    write_record(made.folder / "metrics.json", leaking)
    records = ("--run-record", made.folder / "run.json", "--evaluation", made.folder / "metrics.json")
    step("report", *records, "--html", made.folder / "report.html", "--markdown", made.folder / "report.md")
    for page in ("report.html", "report.md"):
        assert "scored on other data" in (made.folder / page).read_text()


def test_the_training_split_itself_is_told(made: Made) -> None:
    found = made.evaluate(made.own, "--split", "train")
    assert found.notes == ("scored on the samples that it was trained on",)
    assert found.seen_groups == found.num_groups == 2


@pytest.mark.parametrize("change", [{"trained_fingerprint": "0" * 64}, {"task": "eeg-c1"}, {"model": "eegnex"}])
def test_records_of_two_runs_make_no_report(made: Made, change: dict[str, str]) -> None:
    other = msgspec.structs.replace(made.evaluate(made.own), **change)
    write_record(made.folder / "others.json", other)
    records = ("--run-record", made.folder / "run.json", "--evaluation", made.folder / "others.json")
    with pytest.raises(ConfigError, match=r"evaluation is not of the run .*: its checkpoint was trained with the"):
        step("report", *records, "--html", made.folder / "none.html")
    assert not (made.folder / "none.html").exists()
