"""The report step's own part: the overall score of the two challenges."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path

import msgspec
import pytest

from penstock.cli import main
from penstock.cost import load_prices
from penstock.cost.model import bill
from penstock.cost.setting import CostSetting
from penstock.errors import ConfigError
from penstock.records import CostReport, Evaluation, Meters, read_record, write_record
from penstock.steps._shared.pipeline_output import bill_metrics
from penstock.steps.report import with_overall
from support.metrics import nrmse
from support.runs import make_run

TODAY = date(2026, 11, 28)


def evaluation(task: str, value: float | None) -> Evaluation:
    return Evaluation(
        task=task,
        model="small",
        split="test",
        manifest_fingerprint="m",
        checkpoint_sha256="c",
        num_samples=3,
        num_groups=1,
        score="nrmse",
        metrics={"nrmse": nrmse(value)},
        trained_fingerprint="m",
        seen_groups=0,
        notes=(),
        classes=(),
        confusion=(),
        predictions=(),
        wall_seconds=1.0,
        meters=Meters(),
    )


@pytest.mark.parametrize("first", ["eeg-c1", "eeg-c2"])
def test_overall_score_weighs_the_challenges(first: str) -> None:
    scores = {"eeg-c1": 0.9, "eeg-c2": 1.0}
    one, other = (evaluation(task, scores[task]) for task in sorted(scores, key=lambda task: task != first))
    assert with_overall(one, other).metrics["overall"].value == pytest.approx(0.3 * 0.9 + 0.7 * 1.0)


def test_overall_score_without_one_of_both_is_undefined() -> None:
    found = with_overall(evaluation("eeg-c1", 0.9), evaluation("eeg-c2", None))
    assert found.metrics["overall"].value is None
    assert found.metrics["overall"].undefined == "the score of eeg-c2 is undefined"


def test_overall_score_of_one_challenge_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="eeg-c1 and eeg-c1"):
        with_overall(evaluation("eeg-c1", 0.9), evaluation("eeg-c1", 0.8))
    with pytest.raises(ConfigError, match="eeg-events has no score together"):
        with_overall(evaluation("eeg-events", 0.9), evaluation("eeg-c1", 0.8))


def test_a_node_type_that_is_misspelt_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(tmp_path / "run.json", make_run())
    words = ["report", "--run-record", str(tmp_path / "run.json"), "--html", str(tmp_path / "report.html")]
    assert main([*words, "--instance-type", "g5.xlrge"]) == 0
    told = capsys.readouterr()
    assert (
        "warning: there is no price per hour of 'g5.xlrge', so the report will leave it open: did you mean" in told.err
    )
    assert "not in it, for want of a price: Training node" in told.out
    assert main([*words, "--instance-type", "g5.xlarge"]) == 0
    assert not capsys.readouterr().err


def test_a_bill_is_shown_as_metrics_where_pipelines_look(tmp_path: Path) -> None:
    run = make_run()
    write_record(tmp_path / "run.json", run)
    artifact = {"name": "metrics_ui", "uri": "s3://b/metrics_ui"}
    outputs = {"outputFile": str(tmp_path / "executor.json"), "artifacts": {"metrics_ui": {"artifacts": [artifact]}}}
    words = ["report", "--run-record", str(tmp_path / "run.json"), "--html", str(tmp_path / "x.html")]
    words += ["--cost", str(tmp_path / "cost.json"), "--executor-input", json.dumps({"outputs": outputs})]
    assert main(words) == 0
    shown = json.loads((tmp_path / "executor.json").read_text())["artifacts"]["metrics_ui"]["artifacts"][0]
    cost = read_record(tmp_path / "cost.json", CostReport)
    values = shown.pop("metadata")
    assert shown == artifact
    assert values["total_usd"] == pytest.approx(float(cost.total_usd))
    assert values["stall_usd"] == pytest.approx(float(cost.stall_usd or 0))
    assert min(values["total_usd"], values["stall_usd"]) > 0
    assert values["usd_per_epoch"] * len(run.epochs) == pytest.approx(values["total_usd"])
    assert values["usd_per_1000_samples"] * run.num_trained_samples / 1000 == pytest.approx(values["total_usd"])
    assert values["unpriced_lines"] == len(cost.unpriced)


def test_what_a_run_did_not_get_to_is_no_metric() -> None:
    run = make_run(num_epochs=0, wall_seconds=0.0)
    found = bill_metrics(
        run, bill(run, steps=[], evaluation=None, prices=load_prices(), setting=CostSetting(today=TODAY))
    )
    assert not {"usd_per_epoch", "usd_per_1000_samples"} & set(found)
    assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("wall_seconds", 1e300, "a figure of it is too large"),
        ("unfinished_stall_seconds", 1e308, "a figure of it is too large"),
        ("wall_seconds", -5.0, "it counts less than nothing"),
    ],
)
def test_a_record_whose_figures_cannot_be_true_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, value: float, told: str
) -> None:
    write_record(tmp_path / "run.json", msgspec.structs.replace(make_run(num_epochs=2), **{name: value}))
    words = ["report", "--run-record", tmp_path / "run.json", "--html", tmp_path / "x.html"]
    assert main([*map(str, words), "--instance-type", "g5.xlarge"]) == 70
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"cannot be true: {told}" in said
