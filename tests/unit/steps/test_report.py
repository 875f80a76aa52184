"""The report step's own part: the overall score of the two challenges."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli import main
from penstock.errors import ConfigError
from penstock.records import Evaluation, Meters, write_record
from penstock.steps.report import with_overall
from support.metrics import nrmse
from support.runs import make_run


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
