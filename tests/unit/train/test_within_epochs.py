"""Validations in the middle of epochs, and runs that end there: at a last step, or after so many hours."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import CheckpointMismatch, ConfigError, Interrupted, SourceUnavailable, TimeSpent
from penstock.loader.protocols import Batch, LoaderState
from penstock.recipes.objectives import Classification, Regression
from penstock.records import EpochRecord, Meters, StepEvaluation
from penstock.sources import open_blobs
from penstock.tasks.metrics import metric_value
from penstock.train.checkpoint import Checkpoints, load_weights
from penstock.train.determinism import seed_everything
from penstock.train.journal import MAX_EVALUATIONS, Journal
from penstock.train.loop import train
from penstock.train.result import make_run_record
from penstock.train.schedule import KnownSamples, make_schedule
from penstock.train.validation import check_best
from unit.train import runs
from unit.train.arrays import ArrayLoader, ClassificationTask, RegressionTask, evoked_data
from unit.train.test_learning_options import Odd, failing_once

FLAT = {"schedule": "constant", "warmup_fraction": 0.05}
STEPS = 4
"""Of an epoch of the stream here."""


class Stream:
    """Training and validation batches of each epoch, one after the other, from a place that can be set anywhere."""

    def __init__(self, before_batch: Any = lambda epoch, position: None) -> None:
        train, valid = evoked_data(64, shape=runs.SHAPE), evoked_data(32, shape=runs.SHAPE, first_subject=50)
        self.loaders = [
            ArrayLoader(*train[:2], batch_size=16, seed=1, before_batch=before_batch),
            ArrayLoader(*valid[:2], batch_size=16, before_batch=before_batch),
        ]
        self.place = 0
        self.given: list[tuple[int, tuple[str, ...]]] = []


class Part:
    """One of the two."""

    def __init__(self, stream: Stream, number: int) -> None:
        self._stream, self._number, self._loader = stream, number, stream.loaders[number]

    @property
    def num_samples(self) -> int:
        return self._loader.num_samples

    def epoch(self, epoch: int) -> Iterator[Batch]:
        stream = self._stream
        self._loader.load_state_dict({"epoch": epoch, "position": 0, "batch_size": 16})
        first = epoch * 6 + self._number * 4
        number = (4, 2)[self._number]
        stream.place = max(stream.place, first)
        for place, batch in enumerate(self._loader.epoch(epoch), start=first):
            if place < stream.place:
                continue
            assert stream.place == place, "the place was moved under a reader"
            stream.place += 1
            stream.given.append((self._number, batch.keys))
            yield batch
        assert number

    def state_dict(self) -> LoaderState:
        return {"place": self._stream.place}

    def load_state_dict(self, state: LoaderState) -> None:
        self._stream.place = int(state["place"])

    def traffic(self) -> dict[str, Meters]:
        return {}

    def meters(self) -> Meters:
        return Meters()

    def close(self) -> None:
        pass


def run(
    folder: Path, *, stream: Stream | None = None, heard: Any = None, with_valid: bool = True, **changes: Any
) -> Any:
    """Train on 4 batches an epoch, and validate on 2."""
    config = replace(runs.CONFIG, **{"num_epochs": 2, "checkpoint_every_steps": 1, **changes})
    stream = stream or Stream()
    seed_everything(config.seed)
    return train(
        config,
        task=RegressionTask(),
        objective=Regression(target_mean=1.5, target_std=0.4),
        model=Odd(),
        train_loader=Part(stream, 0),
        valid_loader=Part(stream, 1) if with_valid else None,
        checkpoints=Checkpoints(open_blobs(str(folder))),
        identity=runs.make_identity(config),
        progress=heard,
    )


def outcome(result: Any, folder: Path) -> dict[str, object]:
    return runs.without_times(make_run_record(result, run_id="r")) | {"best": load_weights(str(folder)).sha256}


def trained_on(stream: Stream) -> list[tuple[str, ...]]:
    return [keys for number, keys in stream.given if number == 0]


@pytest.mark.parametrize("more", [{}, {"accumulate": 2, "ema": 0.8}], ids=["plain", "grouped"])
def test_the_order_and_what_is_learnt_are_those_of_a_run_without(tmp_path: Path, more: Any) -> None:
    plain, often = Stream(), Stream()
    without = run(tmp_path / "a", stream=plain, **more)
    heard = runs.Heard()
    found = run(tmp_path / "b", stream=often, heard=heard, evaluate_every=1, **more)
    assert trained_on(often) == trained_on(plain)
    assert found.weights_sha256 == without.weights_sha256
    assert [epoch.valid for epoch in found.journal.epochs] == [epoch.valid for epoch in without.journal.epochs]
    steps = [1, 2, 3, 5, 6, 7] if not more else [1, 3]
    assert [step for step, _ in heard.evaluations] == steps  # at its end an epoch is evaluated anyway
    assert [each.step for each in found.journal.evaluations] == steps
    assert [each.epoch for each in found.journal.evaluations][:2] == ([0.25, 0.5] if not more else [0.5, 1.5])
    scores = {each.step: each.valid["nrmse"].value for each in found.journal.evaluations}
    per_epoch = 4 if not more else 2
    scores |= {(each.epoch + 1) * per_epoch: each.valid["nrmse"].value for each in found.journal.epochs}
    assert load_weights(str(tmp_path / "b")).step == min(scores, key=lambda step: scores[step] or 0)


@pytest.mark.parametrize("more", [{}, {"accumulate": 2, "ema": 0.8, "amp": "fp16"}], ids=["plain", "grouped"])
def test_a_run_that_fails_anywhere_ends_as_an_undisturbed_one(tmp_path: Path, more: Any) -> None:
    """Before each batch of training and of validations, in the middle of epochs and at their ends."""
    undisturbed = outcome(run(tmp_path / "a", evaluate_every=1, **more), tmp_path / "a")
    before_batch, failures = failing_once(), 0
    while True:
        try:
            result = run(tmp_path / "b", stream=Stream(before_batch), evaluate_every=1, **more)
            break
        except SourceUnavailable:
            failures += 1
    assert failures >= 8
    assert outcome(result, tmp_path / "b") == undisturbed


def test_a_run_that_is_stopped_after_each_step_and_evaluation_ends_the_same(tmp_path: Path) -> None:
    undisturbed = outcome(run(tmp_path / "a", evaluate_every=2), tmp_path / "a")

    class Stopping(runs.Heard):
        def on_evaluation(self, found: StepEvaluation, *, is_best: bool) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    def stop(update: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    stops = 0
    while True:
        try:
            result = run(tmp_path / "b", heard=Stopping(on_each_step=stop), evaluate_every=2)
            break
        except Interrupted:
            stops += 1
    assert stops == 8 + 2
    assert outcome(result, tmp_path / "b") == undisturbed


@pytest.mark.parametrize("max_steps", [1, 3, 4, 5, 8])
def test_a_run_ends_at_its_last_step_and_goes_on_with_more(tmp_path: Path, max_steps: int) -> None:
    whole = run(tmp_path / "whole", **FLAT)
    ended = run(tmp_path / "a", max_steps=max_steps, **FLAT)
    assert ended.journal.step == max_steps
    assert (ended.error, ended.journal.finished) == (None, True)
    assert load_weights(str(tmp_path / "a")).step <= max_steps
    last = ended.journal.evaluations[-1].step if max_steps % STEPS else len(ended.journal.epochs) * STEPS
    assert last == max_steps  # it is scored where it ends
    heard = runs.Heard()
    again = run(tmp_path / "a", heard=heard, max_steps=max_steps, **FLAT)
    assert not heard.steps
    assert again.weights_sha256 == ended.weights_sha256
    for more in (max_steps + 1, None):
        grown = run(tmp_path / "a", max_steps=more, **FLAT)
    assert grown.weights_sha256 == whole.weights_sha256
    assert [epoch.valid for epoch in grown.journal.epochs] == [epoch.valid for epoch in whole.journal.epochs]
    if max_steps < 8:  # else there was nothing more to learn, nor to save
        with pytest.raises(CheckpointMismatch, match=f"no --max-steps, and now {max_steps}, which is less"):
            run(tmp_path / "a", max_steps=max_steps, **FLAT)


def test_the_schedule_falls_over_the_steps_that_there_are(tmp_path: Path) -> None:
    heard = runs.Heard()
    run(tmp_path, heard=heard, max_steps=6, schedule="linear", warmup_steps=2)
    config = replace(runs.CONFIG, schedule="linear", warmup_steps=2, max_steps=6, num_epochs=2)
    known = KnownSamples(number=64, are_all=True)
    factor = make_schedule(config, known, num_samples=64, first_epoch_steps=None).factor
    assert [factor(step) for step in range(6)] == pytest.approx([1 / 3, 2 / 3, 1, 0.75, 0.5, 0.25])
    assert [each.learning_rate for each in heard.steps] == [factor(step) * config.learning_rate for step in range(6)]
    assert {each.num_steps for each in heard.steps} == {6}


def test_a_run_without_validation_ends_at_its_last_step_too(tmp_path: Path) -> None:
    result = run(tmp_path, max_steps=3, with_valid=False)
    assert load_weights(str(tmp_path)).step == 3
    assert result.journal.best_step == 3


def test_hours_that_are_over_stop_a_run_and_more_of_them_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = outcome(run(tmp_path / "a"), tmp_path / "a")
    now = {"spent": 0.0}
    monkeypatch.setattr("penstock.train.spent.Spent.wall_seconds", property(lambda self: now["spent"]))

    def hour(update: Any) -> None:
        now["spent"] = 3600.0 * update.step

    for hours, step in ((2.5, 2), (6.5, 6)):  # one more would go over the first
        with pytest.raises(TimeSpent, match=rf"--max-hours {hours:g} are over after step {step}, saved as"):
            run(tmp_path / "b", heard=runs.Heard(on_each_step=hour), max_hours=hours)
        with pytest.raises(TimeSpent, match=f"after step {step}"):  # the same again does no step
            run(tmp_path / "b", heard=runs.Heard(on_each_step=hour), max_hours=hours)
    assert outcome(run(tmp_path / "b", max_hours=100.0), tmp_path / "b") == undisturbed
    assert (TimeSpent.exit_code, TimeSpent.retryable) == (76, False)


class Twice(RegressionTask):
    """Has a second metric, that is the better the higher."""

    def metrics(self, truth: Any, predicted: Any, groups: Any) -> Any:
        found = super().metrics(truth, predicted, groups)
        return found | {"odd": metric_value("Odd", -float(found["nrmse"].value), higher_is_better=False)}


def test_the_best_is_chosen_by_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "RegressionTask", Twice)
    by_score, by_odd = run(tmp_path / "a", num_epochs=3), run(tmp_path / "b", num_epochs=3, best="odd")
    scores = [epoch.valid["nrmse"].value for epoch in by_score.journal.epochs]
    assert by_score.journal.best_epoch == scores.index(min(scores))
    assert by_odd.journal.best_epoch == scores.index(max(scores))
    assert by_odd.weights_sha256 == by_score.weights_sha256
    with pytest.raises(ConfigError, match=r"--best 'nothing' is no metric .*choose one of: nrmse, odd"):
        run(tmp_path / "c", best="nothing")


def test_a_metric_that_there_is_not_is_refused_before_anything_is_learnt() -> None:
    check_best("nrmse", task=RegressionTask(), objective=Regression(target_mean=0, target_std=1))
    check_best("accuracy", task=ClassificationTask(), objective=Classification(num_classes=3))
    with pytest.raises(ConfigError, match="choose one of: accuracy"):
        check_best("nrmse", task=ClassificationTask(), objective=Classification(num_classes=3))


def test_evaluations_that_are_kept_are_bounded_and_the_best_is_among_them() -> None:
    journal = Journal()
    for step in range(1, 2000):
        score = metric_value("S", abs(step - 701) + 1.0, higher_is_better=False)
        found = StepEvaluation(step=step, epoch=step / 10, valid={"s": score}, valid_seconds=0.1)
        journal.note_evaluation(found, score)
        assert len(journal.evaluations) <= MAX_EVALUATIONS
    assert journal.best_step == 701
    assert 701 in [each.step for each in journal.evaluations]
    assert journal.bad_epochs == 0
    assert journal.evaluations[-1].step == 1999


def test_an_epoch_record_is_of_a_whole_epoch(tmp_path: Path) -> None:
    epochs: list[EpochRecord] = run(tmp_path, max_steps=5).journal.epochs
    assert [epoch.num_samples for epoch in epochs] == [64]
