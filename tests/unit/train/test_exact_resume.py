"""A run that is stopped at any moment and started again ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.errors import Interrupted, PenstockError, SourceUnavailable, error_from_fields
from penstock.records import RunRecord, read_record
from penstock.train.result import TrainResult, make_run_record
from unit.train import runs

TESTS = Path(__file__).parents[2]
NUM_STEPS = runs.CONFIG.num_epochs * runs.STEPS_PER_EPOCH


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    result = runs.run(tmp_path_factory.mktemp("undisturbed"))
    return runs.without_times(make_run_record(result, run_id="r"))


def start(folder: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(Path(runs.__file__)), str(folder), *flags],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, stderr = process.communicate(timeout=120)
    return process.returncode, stderr


def test_two_runs_of_one_seed_are_equal(tmp_path: Path, undisturbed: dict[str, object]) -> None:
    again = runs.run(tmp_path)
    assert runs.without_times(make_run_record(again, run_id="r")) == undisturbed


@pytest.mark.parametrize("kill_at", [2, 8, 14])
def test_a_killed_process_resumes_exactly(tmp_path: Path, undisturbed: dict[str, object], kill_at: int) -> None:
    """Before a step was saved, in the middle of an epoch, and at an epoch's last step before validation."""
    code, _ = finish(start(tmp_path, "--kill-at", str(kill_at)))
    assert code == -signal.SIGKILL
    assert not (tmp_path / "run.json").exists()
    code, stderr = finish(start(tmp_path))
    assert code == 0, stderr
    record = read_record(tmp_path / "run.json", RunRecord)
    assert runs.without_times(record) == undisturbed
    assert record.num_resumes == 1


@pytest.mark.parametrize("step", range(NUM_STEPS))
def test_failing_data_resumes_exactly_at_every_step(tmp_path: Path, undisturbed: dict[str, object], step: int) -> None:
    failed: list[TrainResult] = []

    def fail(epoch: int, position: int) -> None:
        if epoch * runs.STEPS_PER_EPOCH + position // 16 == step:
            raise SourceUnavailable("s3://b/k did not answer", fix="try again")

    with pytest.raises(SourceUnavailable):
        runs.run(tmp_path, before_batch=fail, results=failed)
    record = make_run_record(failed[0], run_id="r")
    assert record.state == "failed"
    assert record.error == "SourceUnavailable: s3://b/k did not answer: try again"
    assert failed[0].journal.step == step
    result = runs.run(tmp_path)
    resumed = make_run_record(result, run_id="r")
    assert runs.without_times(resumed) == undisturbed
    assert resumed.num_resumes == 1
    assert resumed.meters.sample_bytes == 4 * 8 * 64 * 3 * (104 + 40)
    assert resumed.wall_seconds >= record.wall_seconds


def test_sigterm_saves_after_the_step_and_says_retry_me(tmp_path: Path, undisturbed: dict[str, object]) -> None:
    code, stderr = finish(start(tmp_path, "--term-at", "11"))
    assert code == Interrupted.exit_code == 75
    assert "SIGTERM stopped the run after step 11, saved as" in stderr
    record = read_record(tmp_path / "run.json", RunRecord)
    assert (record.state, record.weights_sha256) == ("interrupted", None)
    assert runs.without_times(make_run_record(runs.run(tmp_path), run_id="r")) == undisturbed


def test_sigterm_in_validation_resumes_with_validation(tmp_path: Path, undisturbed: dict[str, object]) -> None:
    code, stderr = finish(start(tmp_path, "--term-in-valid"))
    assert code == 75, stderr
    assert f"after step {2 * runs.STEPS_PER_EPOCH}" in stderr
    assert runs.without_times(make_run_record(runs.run(tmp_path), run_id="r")) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_wait_for_data(tmp_path: Path, undisturbed: dict[str, object], number: int) -> None:
    process = start(tmp_path, "--stall-at", "10")
    assert process.stdout is not None
    assert process.stdout.readline() == "stalled\n"
    process.send_signal(number)
    code, stderr = finish(process)
    assert code == 75
    assert f"{signal.Signals(number).name} stopped the run after step 10" in stderr
    assert runs.without_times(make_run_record(runs.run(tmp_path), run_id="r")) == undisturbed


def test_interruption_at_every_step(tmp_path: Path, undisturbed: dict[str, object]) -> None:
    """One run, stopped after each of its steps."""

    def stop(update: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    interruptions = 0
    while True:
        try:
            result = runs.run(tmp_path, heard=runs.Heard(on_each_step=stop))
            break
        except Interrupted:
            interruptions += 1
    assert interruptions == NUM_STEPS
    assert result.journal.num_resumes == NUM_STEPS
    assert runs.without_times(make_run_record(result, run_id="r")) == undisturbed


def test_handlers_are_put_back(tmp_path: Path) -> None:
    before = (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
    runs.run(tmp_path)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_second_signal_ends_at_once() -> None:
    script = (
        "import os, signal\n"
        "from penstock.train.signals import StopRequest\n"
        "with StopRequest() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert stop.received is signal.SIGTERM\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    raise SystemExit('still there')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGTERM


def test_a_finished_run_gives_its_result_again(tmp_path: Path, undisturbed: dict[str, object]) -> None:
    runs.run(tmp_path)
    heard = runs.Heard()
    again = runs.run(tmp_path, heard=heard)
    assert not heard.steps
    assert runs.without_times(make_run_record(again, run_id="r")) == undisturbed
    assert again.journal.num_resumes == 0


def test_interrupted_keeps_its_class_across_processes() -> None:
    error: PenstockError = error_from_fields("Interrupted", "a", "b", None)
    assert isinstance(error, Interrupted)
    assert error.retryable
