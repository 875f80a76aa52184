"""What `penstock run` finds out before it lists, and what it makes of a job whose options change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.records import UNSAID, CostReport, Evaluation, RunRecord, read_record
from support.eeg import write_eeg
from support.jobs import run_until_saved, saved_step

Run = Callable[..., int]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eeg(tmp_path_factory.mktemp("data"), num_trials=12, num_subjects=8)


@pytest.fixture
def job(data: Path, tmp_path: Path) -> Run:
    """Run a job in this process; give its exit code."""

    def run(*words: object, out: Path | None = None, source: object = data) -> int:
        told = ["run", "--source", source, "--task", "eeg-c1", "--split", "0.5,0.25,0.25", "--window-size", "2Mi"]
        told += ["--epochs", 2, "--batch-size", 16, "--threads", 1, "--out", out or tmp_path / "out", *words]
        try:
            return main([str(word) for word in told])
        except SystemExit as stopped:
            return int(str(stopped.code))

    return run


def malformed(folder: Path, text: str) -> Path:
    path = folder / "prices.json"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--prices", "nowhere.json"], 70, "nowhere.json"),
        (["--prices", "PRICES"], 70, "prices.json"),
        (["--node-usd-per-hour", "-1"], 2, "'-1' is not a number of at least 0"),
        (["--node-usd-per-hour", "nan"], 2, "'nan'"),
        (["--node-usd-per-hour", "inf"], 2, "'inf'"),
        (["--node-usd-per-hour", "one"], 2, "'one'"),
        (["--today", "tomorrow"], 2, "'tomorrow'"),
        (["--transfer", "pigeon"], 2, "'pigeon'"),
    ],
)
def test_prices_are_looked_at_before_listing(
    job: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str
) -> None:
    path = malformed(tmp_path, '{"record": "prices", "version": 1, "prices": [{"item": "x"}]}')
    assert job(*(str(path) if word == "PRICES" else word for word in words)) == code
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_job_on_a_node_without_a_price_is_reported(
    job: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job("--instance-type", "g5.3xlarge") == 0
    said = capsys.readouterr()
    assert said.err.count("warning: there is no price per hour of 'g5.3xlarge'") == 1
    assert "did you mean g5.xlarge?" in said.err
    bill = read_record(tmp_path / "out" / "cost.json", CostReport)
    nodes = [line for line in bill.lines if line.unit == "hour"]
    assert [line.what for line in nodes][:3] == [
        "Training node, stall included",
        "Node of the list step",
        "Node of the evaluate step",
    ]
    assert {line.item for line in nodes} == {"g5.3xlarge"}
    assert len(nodes) == 5  # the report's, and what began and ended the job
    assert {line.usd for line in nodes} == {None}
    assert json.loads((tmp_path / "out" / "cost.json").read_text())["lines"][0]["usd"] is None
    # The source is a folder: neither its requests nor its transfer are anybody's to bill.
    assert {line.unit for line in bill.lines} == {"hour", "GiB-hour"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "unpriced" in page
    assert "total, without: training node, stall included; node of the list step" in page

    assert job("--instance-type", "g5.3xlarge", "--node-usd-per-hour", "0") == 0
    assert "warning" not in capsys.readouterr().err
    bill = read_record(tmp_path / "out" / "cost.json", CostReport)
    assert [line.usd for line in bill.lines if line.unit == "hour"] == [0] * 5


def test_epochs_are_added_to_a_job_that_has_ended(
    job: Run, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it equals a job of so many from its beginning; a spelling, or an option beside learning, is no change."""
    flat = ("--schedule", "constant", "--warmup", "0")
    assert job(*flat) == 0
    assert "train: started, 0/86 samples" in capsys.readouterr().err
    assert job(*flat, source=f"{data}/") == 0
    assert "train: " not in capsys.readouterr().err
    evaluated = (tmp_path / "out" / "evaluation.json").read_bytes()
    assert job(*flat, "--epochs", "4", "--amp", "off", "--workers", "1", source=f"file://{data}") == 0
    assert "train: goes on from 86/172 samples" in capsys.readouterr().err
    assert (tmp_path / "out" / "evaluation.json").read_bytes() != evaluated
    assert job(*flat, "--epochs", "4", out=tmp_path / "whole") == 0
    grown, whole = (read_record(tmp_path / out / "run.json", RunRecord) for out in ("out", "whole"))
    assert grown.weights_sha256 == whole.weights_sha256
    assert (len(grown.epochs), grown.num_resumes) == (4, 1)
    scores = [read_record(tmp_path / out / "evaluation.json", Evaluation).metrics for out in ("out", "whole")]
    assert scores[0] == scores[1]

    capsys.readouterr()
    before = (tmp_path / "out" / "job.json").read_bytes()
    assert job("--seed", "3", "--epochs", "3") == 2
    said = capsys.readouterr().err
    for told in ("--epochs 4, and now 3, which is less", "--schedule constant, and now cosine", "--seed 0, and now 3"):
        assert told in said
    assert "pass --epochs 4 or more" in said
    assert (tmp_path / "out" / "job.json").read_bytes() == before


REFUSED = (
    (2, ["--learning-rate", "-1"]),
    (2, ["--warmup", "2"]),
    (2, ["--workers", "-1"]),
    (2, ["--option", "nothing=1"]),
    (2, ["--split", "0.5,0.5"]),
    (2, ["--shuffle-mix", "3"]),
    (4, ["--window-size", "300Ki", "--workers", "1"]),
    (2, ["--seed", "-1"]),
    (2, ["--patience", "-1"]),
    (2, ["--threads", "-1"]),
    (2, ["--checkpoint-every", "-1"]),
    (20, ["--source", "NOWHERE"]),
    (2, ["--source", "gopher://host/x"]),
)


def test_a_refused_job_does_not_bind_its_folder(job: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for code, words in REFUSED:
        found = job(*(str(tmp_path / "nowhere") if word == "NOWHERE" else word for word in words))
        said = capfd.readouterr().err
        assert found == code, (words, said)
        assert "Traceback" not in said
        assert said.count(": error: ") == 1, said
        assert not (tmp_path / "out" / "checkpoints").exists(), words
    assert job("--epochs", "1", "--seed", "4", "--learning-rate", "0.002") == 0


def test_what_no_step_could_do_is_told_at_once_before_listing(
    job: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--learning-rate", "-1", "--shuffle-mix", "3", "--option", "nothing=1", "--device", "cuda")
    assert job(*words, "--split", "0.8,0.2,0") == 2
    said = capsys.readouterr().err
    for told in ("things do not fit", "--learning-rate -1", "--shuffle-mix 3", "'nothing'", "no test split"):
        assert told in said
    assert not (tmp_path / "out").exists()


def test_a_job_that_could_not_be_evaluated_does_not_train(
    job: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A window that holds what workers decode at a time, but no batch for them."""
    assert job("--workers", "2", "--window-size", "300Ki", "--batch-size", "64") == 4
    said = capfd.readouterr().err
    assert "64 samples of up to" in said
    assert "train: started" not in said
    assert (tmp_path / "out" / "manifest.parquet").exists()


def test_a_trainer_killed_without_a_word_leaves_its_figures(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Kubeflow Pipelines terminates one: nothing gets to save, and the exit task reports what the run root holds."""
    made = ["--manifest", str(tmp_path / "m.parquet"), "--plan", str(tmp_path / "p.json")]
    listing = ["list", "--source", str(data), "--task", "eeg-c1", "--split", "0.5,0.25,0.25", *made]
    assert main(listing) == 0
    root = ["--run-root", str(tmp_path / "root"), "--run-id", "r"]
    words = ["train", *made, *root, "--record", str(tmp_path / "run.json"), "--window-size", "2Mi", "--threads", "1"]
    words += ["--epochs", "500", "--batch-size", "16", "--checkpoint-minutes", "0.000001"]
    process = run_until_saved(words, tmp_path / "root" / "r", 14)
    process.kill()
    process.wait()
    status = ["--final-status", '{"state": "CANCELED"}', "--html", str(tmp_path / "r.html")]
    assert main(["report", *root, *status, "--markdown", str(tmp_path / "r.md")]) == 0
    record = read_record(tmp_path / "root" / "r" / "records" / "train.json", RunRecord)
    assert saved_step(tmp_path / "root" / "r" / "checkpoints") - record.losses[-1].step in (0, 1)
    summary = (tmp_path / "r.md").read_text()
    assert re.search(r"Samples trained on \| [0-9,]+ \| in [0-9]+ epochs", summary)
    assert re.search(r"Checkpoints \| [0-9,]+ \|", summary)
    assert UNSAID in summary
