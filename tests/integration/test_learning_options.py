"""Options of how a network learns, as a user gives them: in files and on the command line, killed, and refused."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.records import RunRecord, read_record
from penstock.train.checkpoint import load_weights
from support.eeg import write_eeg
from support.images import planted, write_class_folders
from support.jobs import run_until_saved
from support.tables import people, write_parquet

pytestmark = pytest.mark.usefixtures("children_are_forked")

Run = Callable[..., int]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give images of which one class is rare."""
    folder = write_class_folders(tmp_path_factory.mktemp("data"), 60)
    for number in range(60, 100):
        label, content = planted(number)
        if label != "plain":
            (folder / label / f"{number:04}.png").write_bytes(content)
    return folder


def words(data: Path, out: Path, *more: object) -> list[str]:
    told = ["run", "--source", data, "--task", "images", "--option", "size=16", "--split", "0.6,0.2,0.2", "--out", out]
    told += ["--epochs", 3, "--batch-size", 8, "--threads", 1, "--window-size", "1Mi", *more]
    return [str(word) for word in told]


@pytest.fixture
def job(data: Path, tmp_path: Path) -> Run:
    """Run a job in this process; give its exit code."""

    def run(*more: object, out: str = "out") -> int:
        try:
            return main(words(data, tmp_path / out, *more))
        except SystemExit as stopped:
            return int(str(stopped.code))

    return run


ALL = (
    *("--accumulate", 3, "--ema", 0.9, "--amp", "fp16", "--optimizer", "sgd", "--momentum", 0.8),
    *("--schedule", "onecycle", "--warmup", 0.3, "--label-smoothing", 0.1, "--class-weights", "balanced"),
)


def test_a_job_with_all_of_them_that_is_killed_ends_with_the_same_weights(job: Run, data: Path, tmp_path: Path) -> None:
    assert job(*ALL) == 0
    whole = read_record(tmp_path / "out" / "run.json", RunRecord)
    assert whole.config["class_weights"] == "balanced"
    again = (*ALL, "--checkpoint-every", 1)
    process = run_until_saved(words(data, tmp_path / "killed", *again), tmp_path / "killed", 4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert job(*again, out="killed") == 0
    killed = read_record(tmp_path / "killed" / "run.json", RunRecord)
    assert killed.weights_sha256 == whole.weights_sha256
    assert [epoch.valid for epoch in killed.epochs] == [epoch.valid for epoch in whole.epochs]
    best = [load_weights(str(tmp_path / out / "checkpoints")) for out in ("out", "killed")]
    assert best[0].sha256 == best[1].sha256 != whole.weights_sha256
    weights = [float(each) for each in str(best[0].objective["class_weights"]).split(",")]
    assert weights[2] > 1.2 > 1 > max(weights[:2])  # "plain" is rare


def test_a_network_begins_with_the_weights_of_another(
    job: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert job() == 0
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    begun = ("--init-from", "out/checkpoints", "--learning-rate", "1e-12", "--epochs", 1)
    assert job(*begun, out="tuned") == 0
    told = capsys.readouterr().err
    assert "tensors begin with the weights of" in told
    assert "other classes" not in told
    before, after = (load_weights(str(tmp_path / out / "checkpoints")).model for out in ("out", "tuned"))
    learnt = [name for name in before if name.endswith("weight")]
    assert learnt
    assert all(((before[name] - after[name]).abs() < 1e-5).all() for name in learnt)
    # Where it goes on it is not read again, wherever it is now; the same place is the same however it is written.
    (tmp_path / "out").rename(tmp_path / "moved")
    assert job("--init-from", tmp_path / "out" / "checkpoints", *begun[2:-1], 2, out="tuned") == 0
    assert "begin with" not in capsys.readouterr().err


FLAT = ("--schedule", "constant", "--warmup", 0)
WITHIN = ("--evaluate-every", 3, "--best", "log_loss", *FLAT, "--checkpoint-every", 1)


def test_validations_within_epochs_leave_learning_as_it_is(
    job: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through a real window: killed among them, ended at a step, and gone on with."""
    assert job(*FLAT, out="plain") == 0
    plain = read_record(tmp_path / "plain" / "run.json", RunRecord)
    capsys.readouterr()
    assert job(*WITHIN, "--max-steps", 5) == 0
    told = capsys.readouterr().out
    assert "trained on  40; no epoch was finished" in told
    assert "stall  – (no epoch was finished)" in told
    ended = read_record(tmp_path / "out" / "run.json", RunRecord)
    assert [each.step for each in ended.evaluations] == [3, 5]
    assert (ended.state, len(ended.epochs), ended.losses[-1].step) == ("succeeded", 0, 5)
    assert ended.best_step in (3, 5)
    assert ended.best_valid is not None
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"Best, at step {ended.best_step}" in page
    process = run_until_saved(words(data, tmp_path / "out", *WITHIN), tmp_path / "out", 11)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert job(*WITHIN) == 0
    grown = read_record(tmp_path / "out" / "run.json", RunRecord)
    assert grown.weights_sha256 == plain.weights_sha256
    assert [epoch.valid for epoch in grown.epochs] == [epoch.valid for epoch in plain.epochs]
    assert [each.step for each in grown.evaluations][:5] == [3, 5, 6, 9, 12]


def test_hours_that_are_over_have_an_exit_code_of_their_own(
    job: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job("--max-hours", "1e-9") == 76
    assert "--max-hours 1e-09 are over after step 0, saved as" in capsys.readouterr().err
    assert read_record(tmp_path / "out" / "run.json", RunRecord).state == "interrupted"
    assert job("--max-hours", "9", "--epochs", 1) == 0


REFUSED = (
    (2, ["--best", "nrmse"], "choose one of: accuracy"),
    (2, ["--evaluate-every", "2", "--split", "0.8,0,0.2"], "there is no validation split"),
    (2, ["--patience", "3", "--split", "0.8,0,0.2"], "--patience 3 is given, and there is no validation split"),
    (2, ["--loss", "smooth_l1"], "--loss smooth_l1 is given, and the task 'images' has classes here"),
    (2, ["--max-steps", "-1"], "'-1'"),
    (2, ["--max-hours", "nan"], "'nan'"),
    (2, ["--class-weights", "1,2"], "gives 2 weights for 3 classes"),
    (2, ["--label-smoothing", "1.5"], "--label-smoothing 1.5"),
    (2, ["--momentum", "0.5"], "--optimizer adamw has none"),
    (2, ["--warmup", "0.2", "--warmup-steps", "3"], "both given"),
    (2, ["--accumulate", "0"], "'0' is not a whole number of at least 1"),
    (24, ["--init-from", "NOWHERE"], "nowhere"),
    (62, ["--init-from", "OTHER"], "no weights of"),
)


@pytest.mark.parametrize(("code", "more", "told"), REFUSED)
def test_what_cannot_be_is_one_line(
    job: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int, more: list[str], told: str
) -> None:
    if "OTHER" in more:
        other = ["run", "--source", tmp_path / "eeg", "--task", "eeg-c1", "--model", "small", "--epochs", 1]
        write_eeg(tmp_path / "eeg", num_trials=6, num_subjects=6)
        assert main([str(word) for word in (*other, "--split", "0.5,0.2,0.3", "--out", tmp_path / "other")]) == 0
    places = {"NOWHERE": str(tmp_path / "nowhere"), "OTHER": str(tmp_path / "other" / "checkpoints")}
    capsys.readouterr()
    assert job(*(places.get(word, word) for word in more)) == code
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if "error: " in line]
    assert len(lines) == 1, said
    assert told in lines[0]
    assert "Traceback" not in said


def test_validations_within_epochs_do_not_go_with_a_listing_that_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_eeg(tmp_path / "eeg", num_trials=6, num_subjects=6)
    told = ["run", "--source", tmp_path / "eeg", "--task", "eeg-c1", "--model", "small", "--out", tmp_path / "out"]
    assert main([str(word) for word in (*told, "--stream-listing", "--evaluate-every", 2)]) == 2
    assert "--evaluate-every 2 and --stream-listing are both given" in capsys.readouterr().err


def test_a_file_may_say_them(job: Run, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("accumulate: 2\nema: 0.5\noptimizer: adam\nclass-weights: 1,2,3\n")
    assert job("--config", tmp_path / "job.yaml", "--epochs", 1) == 0
    config = read_record(tmp_path / "out" / "run.json", RunRecord).config
    assert [config[name] for name in ("accumulate", "ema", "optimizer", "class_weights")] == [2, 0.5, "adam", "1,2,3"]


def test_validations_within_epochs_leave_the_draws_of_a_mix_as_they_are(tmp_path: Path) -> None:
    """Each member has a window of its own, which training goes back to; a last step in an epoch is gone on from."""
    kind = "target: price, columns: [age, city], split: {valid: 0.2, test: 0.2, by: patient}, part: train"
    members = []
    for number, count in enumerate((120, 60)):
        write_parquet(tmp_path / f"t{number}", people(count, seed=number), files=1, group_rows=20)
        members.append(f"  - {{weight: 0.5, source: {tmp_path}/t{number}, {kind}}}")
    (tmp_path / "mix.yaml").write_text("\n".join(["task: table", "mix:", *members, "seed: 3", ""]))
    told = ["run", "--dataset", tmp_path / "mix.yaml", "--epochs", 2, "--batch-size", 8, "--threads", 1, *FLAT]
    told += ["--window-size", "8Mi"]
    for out, more in (("a", []), ("b", ["--evaluate-every", 2, "--max-steps", 5]), ("b", ["--evaluate-every", 2])):
        assert main([str(word) for word in (*told, "--out", tmp_path / out, *more)]) == 0
    plain, often = (read_record(tmp_path / out / "run.json", RunRecord) for out in ("a", "b"))
    assert often.weights_sha256 == plain.weights_sha256
    assert [epoch.valid for epoch in often.epochs] == [epoch.valid for epoch in plain.epochs]
    assert [each.step for each in often.evaluations][:4] == [2, 4, 5, 6]
