"""More epochs for a run that has ended, or was stopped: what it equals, and when it stays ended."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.errors import CheckpointMismatch, Interrupted
from penstock.train.result import make_run_record
from unit.train import runs

FLAT = replace(runs.CONFIG, schedule="constant", warmup_fraction=0.0)


def outcome(folder: Path, **changes: object) -> dict[str, object]:
    config = replace(FLAT, **changes)  # type: ignore[arg-type]
    return runs.without_times(make_run_record(runs.run(folder, config=config), run_id="r"))


def test_an_ended_run_goes_on_to_what_a_longer_one_gives(tmp_path: Path) -> None:
    longer = outcome(tmp_path / "longer", num_epochs=5)
    outcome(tmp_path / "grown", num_epochs=2)
    assert outcome(tmp_path / "grown", num_epochs=3) != longer
    assert outcome(tmp_path / "grown", num_epochs=5) == longer
    heard = runs.Heard()
    runs.run(tmp_path / "grown", config=replace(FLAT, num_epochs=5), heard=heard)
    assert not heard.steps


def test_a_stopped_run_may_be_given_more_too(tmp_path: Path) -> None:
    def stop(update: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    first, second = runs.Heard(on_each_step=stop), runs.Heard()
    with pytest.raises(Interrupted):
        runs.run(tmp_path, config=replace(FLAT, num_epochs=2), heard=first)
    assert first.begun_at == (0, 0)
    runs.run(tmp_path, config=replace(FLAT, num_epochs=2), heard=second)
    assert second.begun_at == (0, FLAT.batch_size)
    assert outcome(tmp_path, num_epochs=3) == outcome(tmp_path / "longer", num_epochs=3)


def test_a_falling_rate_follows_the_longer_schedule(tmp_path: Path) -> None:
    config = replace(runs.CONFIG, num_epochs=2)
    runs.run(tmp_path, config=config)
    heard, whole = runs.Heard(), runs.Heard()
    runs.run(tmp_path, config=replace(config, num_epochs=4), heard=heard)
    runs.run(tmp_path / "whole", config=replace(config, num_epochs=4), heard=whole)
    rates = [update.learning_rate for update in whole.steps]
    assert [update.learning_rate for update in heard.steps] == rates[2 * runs.STEPS_PER_EPOCH :]


def test_fewer_epochs_are_refused(tmp_path: Path) -> None:
    outcome(tmp_path, num_epochs=2)
    with pytest.raises(CheckpointMismatch, match="--epochs 2, and now 1, which is less"):
        outcome(tmp_path, num_epochs=1)


def test_a_run_out_of_patience_needs_more_patience_too(tmp_path: Path) -> None:
    asked = replace(FLAT, num_epochs=9, patience=1)
    first = runs.run(tmp_path, config=asked, learnt=False)
    ended = len(first.journal.epochs)
    assert ended < 9
    again = runs.run(tmp_path, config=replace(asked, num_epochs=10), learnt=False)
    assert len(again.journal.epochs) == ended
    assert again.journal.finished
    patient = runs.run(tmp_path, config=replace(asked, num_epochs=10, patience=None), learnt=False)
    assert len(patient.journal.epochs) == 10
    with pytest.raises(CheckpointMismatch, match="no --patience, and now 1, which is less"):
        runs.run(tmp_path, config=replace(asked, num_epochs=10), learnt=False)


def test_precision_and_threads_may_change(tmp_path: Path) -> None:
    outcome(tmp_path, num_epochs=1, amp="auto")
    longer = outcome(tmp_path, num_epochs=2, amp="off", keep_checkpoints=5, checkpoint_minutes=None)
    assert longer == outcome(tmp_path / "whole", num_epochs=2)
