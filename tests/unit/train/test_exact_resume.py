"""A run that is stopped at any moment and started again ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import Interrupted, PenstockError, SourceUnavailable, error_from_fields
from penstock.loader.protocols import Batch, LoaderState
from penstock.recipes.eeg.models import build_model
from penstock.recipes.objectives import Regression
from penstock.records import Meters, RunRecord, read_record
from penstock.sources import open_blobs
from penstock.train.checkpoint import Checkpoints
from penstock.train.determinism import seed_everything
from penstock.train.loop import train
from penstock.train.result import TrainResult, make_run_record
from support.forked import Forked
from unit.train import runs
from unit.train.arrays import ArrayLoader, RegressionTask, evoked_data

TESTS = Path(__file__).parents[2]
NUM_STEPS = runs.CONFIG.num_epochs * runs.STEPS_PER_EPOCH


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    result = runs.run(tmp_path_factory.mktemp("undisturbed"))
    return runs.without_times(make_run_record(result, run_id="r"))


def start(folder: Path, *flags: str) -> Forked:
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    return Forked([folder, *flags], script=Path(runs.__file__), environment=environment)


def finish(process: Forked) -> tuple[int, str]:
    _, stderr = process.communicate(timeout=120)
    return process.wait(), stderr


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
    # What a save tells of can't hold the time that this save itself takes.
    assert resumed.wall_seconds >= record.wall_seconds - record.saves.seconds


def test_sigterm_saves_after_the_step_and_says_retry_me(tmp_path: Path, undisturbed: dict[str, object]) -> None:
    code, stderr = finish(start(tmp_path, "--term-at", "11"))
    assert code == Interrupted.exit_code == 75
    assert "SIGTERM stopped the run after step 11, saved as" in stderr
    record = read_record(tmp_path / "run.json", RunRecord)
    assert (record.state, record.weights_sha256) == ("interrupted", None)
    steps = 11 - len(record.epochs) * runs.STEPS_PER_EPOCH
    assert 0 < steps < runs.STEPS_PER_EPOCH
    assert record.unfinished_samples == steps * runs.CONFIG.batch_size
    assert record.num_trained_samples == record.unfinished_samples + sum(each.num_samples for each in record.epochs)
    assert runs.without_times(make_run_record(runs.run(tmp_path), run_id="r")) == undisturbed


def test_sigterm_in_validation_resumes_with_validation(tmp_path: Path, undisturbed: dict[str, object]) -> None:
    code, stderr = finish(start(tmp_path, "--term-in-valid"))
    assert code == 75, stderr
    assert f"after step {2 * runs.STEPS_PER_EPOCH}" in stderr
    assert runs.without_times(make_run_record(runs.run(tmp_path), run_id="r")) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_wait_for_data(tmp_path: Path, undisturbed: dict[str, object], number: int) -> None:
    process = start(tmp_path, "--stall-at", "10")
    deadline = time.monotonic() + 120
    while process.output()[0] != "stalled\n":
        assert process.poll() is None, process.output()
        assert time.monotonic() < deadline
        time.sleep(0.01)
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


def test_the_second_signal_changes_nothing_and_the_third_ends_at_once() -> None:
    script = (
        "import os, signal\n"
        "from penstock.train.signals import StopRequest\n"
        "with StopRequest() as stop:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert stop.received is signal.SIGTERM\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('still there', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    raise SystemExit('ended by itself')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, b"still there\n")
    assert b"once more ends it at once" in done.stderr


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


class Segment:
    """The training (0) or validation (1) part of each epoch of one stream of batches, which only goes forward."""

    def __init__(self, stream: dict[str, int], number: int, loader: ArrayLoader) -> None:
        self._stream, self._number, self._loader = stream, number, loader

    @property
    def num_samples(self) -> int:
        return self._loader.num_samples

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Each epoch of the stream has as many batches of one sort as of the other: 4."""
        batches = list(self._loader.epoch(epoch))
        first = (2 * epoch + self._number) * len(batches)
        while self._stream["place"] < first + len(batches):
            assert self._stream["place"] >= first, "batches were jumped over"
            self._stream["place"] += 1
            yield batches[self._stream["place"] - 1 - first]

    def state_dict(self) -> LoaderState:
        return {"place": self._stream["place"]}

    def load_state_dict(self, state: LoaderState) -> None:
        self._stream["place"] = int(state["place"])

    def traffic(self) -> dict[str, Meters]:
        return {}

    def meters(self) -> Meters:
        return Meters()

    def close(self) -> None:
        pass


def run_on_one_stream(folder: Path, *, interrupt: bool) -> TrainResult:
    def stop(update: object) -> None:
        if interrupt:
            os.kill(os.getpid(), signal.SIGTERM)

    inputs, targets, _ = evoked_data(64, shape=runs.SHAPE)
    stream = {"place": 0}
    seed_everything(0)
    return train(
        runs.CONFIG,
        task=RegressionTask(),
        objective=Regression(target_mean=1.5, target_std=0.4),
        model=build_model("small", shape=runs.SHAPE, num_outputs=1),
        train_loader=Segment(stream, 0, ArrayLoader(inputs, targets, batch_size=16, seed=1)),
        valid_loader=Segment(stream, 1, ArrayLoader(inputs, targets, batch_size=16)),
        checkpoints=Checkpoints(open_blobs(str(folder))),
        identity=runs.make_identity(),
        progress=runs.Heard(on_each_step=stop, on_each_epoch=stop),
    )


def test_two_loaders_may_be_parts_of_one_stream(tmp_path: Path) -> None:
    undisturbed = run_on_one_stream(tmp_path / "a", interrupt=False)
    for _ in range(12 + 2):
        with pytest.raises(Interrupted):
            run_on_one_stream(tmp_path / "b", interrupt=True)
    result = run_on_one_stream(tmp_path / "b", interrupt=False)
    assert result.journal.num_resumes == 12 + 2
    assert result.weights_sha256 == undisturbed.weights_sha256
    assert [epoch.valid for epoch in result.journal.epochs] == [epoch.valid for epoch in undisturbed.journal.epochs]
