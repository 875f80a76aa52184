"""What steps leave in the run root: records, and failures that another attempt need not repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from penstock.errors import ConfigError, EmptyListing, PenstockError, SourceUnavailable
from penstock.records import UNSAID, FailureRecord, read_record, write_record
from penstock.steps._shared.run_left import read_left
from penstock.steps._shared.run_root import FINAL_FAILURE_SECONDS, recorded
from penstock.steps.options.report import ReportOptions
from penstock.steps.options.run_root import RecordedOptions
from support.cli import penstock
from support.options import config_of

FINAL = EmptyListing("nothing lies under s3://b/p", fix="check the prefix")


def options(root: Path, *words: str) -> RecordedOptions:
    return config_of(RecordedOptions, "--run-root", root, "--run-id", "r", *words)


def attempt(root: Path, *words: str, error: Exception | None = None) -> None:
    with recorded(options(root, *words), "list"):
        if error is not None:
            raise error


def failure(root: Path) -> Path:
    return root / "r" / "records" / "list-failure.json"


def test_a_final_failure_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(EmptyListing):
        attempt(tmp_path, error=FINAL)
    with pytest.raises(EmptyListing) as again:
        attempt(tmp_path, "--fail-fast")
    assert again.value.exit_code == FINAL.exit_code
    assert "nothing lies under s3://b/p" in again.value.what
    assert "check the prefix" in again.value.fix
    assert str(failure(tmp_path)) in again.value.fix
    attempt(tmp_path)  # without the option it is tried


def test_a_failure_that_may_pass_is_tried_again(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        attempt(tmp_path, error=SourceUnavailable("no answer", fix="try again"))
    attempt(tmp_path, "--fail-fast")
    assert not failure(tmp_path).exists()


@pytest.mark.parametrize(("more_seconds", "is_tried"), [(-60, False), (60, True)])
def test_a_failure_is_final_for_an_hour(tmp_path: Path, more_seconds: float, is_tried: bool) -> None:
    age_seconds = FINAL_FAILURE_SECONDS + more_seconds
    with pytest.raises(EmptyListing):
        attempt(tmp_path, error=FINAL)
    found = read_record(failure(tmp_path), FailureRecord)
    then = (datetime.now(UTC) - timedelta(seconds=age_seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_record(failure(tmp_path), msgspec.structs.replace(found, failed_at=then))
    if is_tried:
        attempt(tmp_path, "--fail-fast")
    else:
        with pytest.raises(EmptyListing):
            attempt(tmp_path, "--fail-fast")


def test_a_bug_is_told_without_secrets(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(tmp_path, error=ZeroDivisionError("https://me:hush-hush@host/x"))
    found = read_record(failure(tmp_path), FailureRecord)
    assert (found.error, found.exit_code, found.retryable) == ("ZeroDivisionError", 1, False)
    assert "hush-hush" not in failure(tmp_path).read_text()
    with pytest.raises(PenstockError, match="ZeroDivisionError"):
        attempt(tmp_path, "--fail-fast")


def test_a_run_root_that_cannot_be_written_fails_no_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "r").write_text("a file, not a folder")
    with recorded(options(tmp_path), "list") as run_root:
        assert run_root is not None
        run_root.publish("report.html", b"page")
    assert "run_root.unwritten" in caplog.text
    with pytest.raises(EmptyListing):
        attempt(tmp_path, error=FINAL)


def test_a_run_root_needs_the_name_of_the_run(tmp_path: Path) -> None:
    args = options(tmp_path).but(run_id=None)
    with pytest.raises(ConfigError, match="--run-id"), recorded(args, "list"):
        raise AssertionError("not reached")


def report_options(*words: object) -> ReportOptions:
    return config_of(ReportOptions, *words, "--html", "x")


def test_a_run_that_never_trained_is_reported_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(EmptyListing):
        attempt(tmp_path, error=FINAL)
    left = read_left(report_options("--run-root", tmp_path, "--run-id", "r"))
    assert (left.run.state, left.run.wall_seconds, left.steps, left.evaluation) == ("failed", 0.0, (), None)
    assert left.run.error is not None
    assert left.run.error.startswith("list: EmptyListing: nothing lies under s3://b/p")


def test_a_step_of_the_command_line_leaves_its_failure(tmp_path: Path) -> None:
    words = ("--source", tmp_path / "none", "--task", "eeg-c1", "--manifest", tmp_path / "m", "--plan", tmp_path / "p")
    done = penstock("list", *words, "--run-root", tmp_path, "--run-id", "r")
    assert done.returncode == read_record(failure(tmp_path), FailureRecord).exit_code == 20


@pytest.mark.parametrize("status", ["{", "[]", "3", '{"a":' * 60_000, "\udc80"], ids=range(5))
def test_a_status_that_is_none_is_refused(status: str) -> None:
    with pytest.raises(ConfigError, match="final-status"):
        read_left(ReportOptions(html=Path("x"), final_status=status))


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("SUCCEEDED", "succeeded"),
        ("Succeeded", "succeeded"),
        ("COMPLETE", "succeeded"),
        ("RUNNING", "succeeded"),
        ("FAILED", "failed"),
        ("Error", "failed"),
        ("CANCELED", "failed"),
    ],
)
def test_a_run_ends_as_its_pipeline_says(tmp_path: Path, state: str, told: str) -> None:
    done = msgspec.structs.replace(read_left(report_options("--final-status", "{}")).run, state="succeeded", error=None)
    write_record(tmp_path / "run.json", done)
    status = msgspec.json.encode({"state": state, "error": {"code": 5}}).decode()
    left = read_left(report_options("--run-record", tmp_path / "run.json", "--final-status", status))
    assert left.run.state == told
    assert (left.run.error is None) == (told == "succeeded")


def test_a_reason_that_the_pipeline_gives_is_told() -> None:
    status = '{"state": "FAILED", "error": {"message": "out of quota"}}'
    assert read_left(report_options("--final-status", status)).run.error == "out of quota"


def test_nothing_to_report_on_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to report on"):
        read_left(report_options())


def test_a_trainer_that_was_killed_is_billed_from_its_start(tmp_path: Path) -> None:
    records = tmp_path / "r" / "records"
    records.mkdir(parents=True)
    run = read_left(report_options("--final-status", "{}")).run
    started = (datetime.now(UTC) - timedelta(seconds=90)).isoformat(timespec="seconds")
    begun = msgspec.structs.replace(
        run, state="interrupted", started_at=started, error=f"Interrupted: {UNSAID}", ended_at=started
    )
    write_record(records / "train.json", begun)
    left = read_left(report_options("--run-root", tmp_path, "--run-id", "r", "--final-status", '{"state": "FAILED"}'))
    assert left.run.state == "failed"
    assert 85 <= left.run.wall_seconds <= 100
