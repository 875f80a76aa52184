"""One attempt at a run: epochs, steps, validation, and a checkpoint of all that it is.

A validation in the middle of an epoch reads the validation split, and then goes back to where training was: the order
of training samples is the same with it and without.

Time spent after the last checkpoint before a SIGKILL is in ``wall_seconds`` of the attempts after it as far as their
log knows of it: without one that outlives the process, it is not.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from torch import nn

from penstock import stopping
from penstock.errors import (
    BudgetSpent,
    CheckpointCorrupt,
    DataError,
    Interrupted,
    ProcessLost,
    SourceError,
    WindowError,
)
from penstock.loader.protocols import Batch, BatchLoader, LoaderState
from penstock.manifest.trained_on import TrainedOn
from penstock.records import LossPoint, Meters, MetricValue, MetricValues, Saves, StepEvaluation
from penstock.sources import REFUSED, sum_meters
from penstock.stopping import is_from_stop
from penstock.tasks.protocols import Task
from penstock.train.checkpoint import Checkpoints
from penstock.train.checkpoint_file import Identity
from penstock.train.config import TrainConfig
from penstock.train.determinism import capture_rng, restore_rng, weights_sha256
from penstock.train.device import describe_host
from penstock.train.journal import Journal
from penstock.train.limits import Books, Limits, Watch
from penstock.train.progress import Progress, StepUpdate
from penstock.train.result import TrainResult, ended_as_told, ended_unsaid
from penstock.train.schedule import KnownSamples, Schedule, make_schedule
from penstock.train.signals import StopRequest
from penstock.train.spent import Spent
from penstock.train.stepper import StepOutcome, Stepper
from penstock.train.validation import Scored, Validation, best_by

__all__ = ["Attempt"]

log = logging.getLogger(__name__)


class Attempt:
    """One attempt at a run: moves the journal on, and saves it with everything it belongs to."""

    def __init__(
        self,
        config: TrainConfig,
        *,
        task: Task,
        stepper: Stepper,
        train_loader: BatchLoader,
        valid: Validation | None,
        checkpoints: Checkpoints,
        identity: Identity,
        progress: Progress,
        spent: Spent,
        known: KnownSamples | None,
        on_save: Callable[[TrainResult], None],
        trained_on: Callable[[], TrainedOn] | None,
        initialise: Callable[[nn.Module], None] | None,
        books: Books,
        warn: Callable[[str], None],
    ) -> None:
        self._config, self._task, self._stepper = config, task, stepper
        self._train_loader, self._valid = train_loader, valid
        self._checkpoints, self._identity, self._progress = checkpoints, identity, progress
        self._known = known or KnownSamples(number=train_loader.num_samples or 0, are_all=True)
        self._on_save, self._initialise = on_save, initialise
        self._trained_on = functools.cache(trained_on) if trained_on is not None else None
        self._spent, self._activity = spent, spent.activity
        self._journal = Journal()
        self._limits = Limits(
            max_hours=config.max_hours,
            books=books,
            wall_seconds=lambda: self._spent.wall_seconds,
            measured=self._measured,
            warn=warn,
        )
        self._watch: Watch | None = None
        self._loader_state: LoaderState = train_loader.state_dict()
        self._reached = self._loader_state
        self._saved: tuple[tuple[int, int, int, bool], str] | None = None
        self._saved_seconds = time.monotonic()
        self._best: str | None = None

    def begin(self) -> None:
        """Go on from the last checkpoint; where there is none, save the untrained state.

        That first save finds a place that cannot be written to before an epoch is spent, not after it.
        """
        content = self._checkpoints.load(self._identity)
        if content is None:
            if self._initialise is not None:
                self._stepper.begin_with(self._initialise)
            self._save()
        else:
            self._take_up(content)
        place = {"step": self._journal.step, "epoch": self._journal.epoch}
        self._progress.on_begin(
            **place, epoch_samples=self._journal.epoch_samples, num_samples=self._train_loader.num_samples
        )

    def _take_up(self, content: dict[str, Any]) -> None:
        try:
            self._journal = Journal.from_plain(content["journal"])
            self._spent.goes_on_from(Journal.from_plain(content["journal"]))
            self._limits.longest_seconds = self._journal.longest_seconds
            self._stepper.load_state_dict(content)
            # It may have ended as it was asked for then, and be asked for more now.
            self._journal.finished = self._is_finished()
            if not self._journal.finished:
                self._train_loader.load_state_dict(content["loader"])
                self._loader_state = content["loader"]
                restore_rng(content["rng"])
                self._journal.num_resumes += 1
        except (KeyError, msgspec.ValidationError) as error:
            what = f"the last checkpoint lacks what a run goes on from ({error})"
            raise CheckpointCorrupt(what, fix="give this run another folder to start it anew") from error
        self._best = self._checkpoints.best()
        log.info("resumed", extra={"step": self._journal.step, "epoch": self._journal.epoch})

    def run(self, stop: StopRequest) -> None:
        """Do the epochs that are left.

        Raises:
            Interrupted: a stop was asked for; what was done is saved.
            PenstockError: the data failed; what was done is saved.
            TrainingDiverged: the loss or the gradient is not finite.
        """
        try:
            with self._spent.recorder.recording(), self._limits.watching(stop) as self._watch:
                while not self._journal.finished:
                    if self._train_epoch(stop):
                        self._end_epoch(stop)
                    else:
                        self._end_within_epoch(stop)
                    self._activity.now("other")
                    if not self._journal.finished:
                        stop.check()
        except BaseException as error:
            if is_from_stop(error):
                raise self.interrupted(stop) from None
            if isinstance(error, SourceError | DataError | WindowError | ProcessLost | BudgetSpent):
                # What was learnt up to the batch that failed is whole: another attempt need not repeat it.
                self._stepper.abandon()
                saved = self._save()
                if isinstance(error, BudgetSpent) and error.about == REFUSED:
                    raise self._limits.refused().raised(self._journal.step, saved) from None
            raise

    def _measured(self) -> tuple[Meters, Saves]:
        journal = self._spent.added_to(self._journal, self._checkpoints.saves)
        return journal.meters.plus(sum_meters(journal.traffic)), journal.saves

    def _train_epoch(self, stop: StopRequest) -> bool:
        """Train to the epoch's end, or to the last step there is; say whether it was the epoch's end."""
        journal, schedule = self._journal, self._schedule()
        self._stepper.num_steps = schedule.num_steps
        self._stepper.model.train()
        batches: Iterator[Batch] | None = None
        self._activity.now("busy")
        while True:
            self._check_limits()
            if self._is_to_be_evaluated():
                self._evaluate_within_epoch(stop)
                batches = None
            if self._is_out_of_steps():
                return self._is_at_epoch_end()
            begun = time.perf_counter()
            if batches is None:
                batches = iter(self._train_loader.epoch(journal.epoch))
            with stop.waiting(), self._activity.during("stall"):
                batch = next(batches, None)
            got = time.perf_counter()
            journal.stall_seconds += got - begun
            if batch is None:
                break
            self._spent.note_batch()
            self._limits.note_busy()
            outcome = self._stepper.learn(batch, journal.step, factor=self._factor(schedule))
            self._reached = self._train_loader.state_dict()
            if outcome is None:
                journal.compute_seconds += time.perf_counter() - got
            else:
                self._end_step(outcome, schedule, stop, begun=got)
        # The last group of an epoch may have fewer batches.
        begun = time.perf_counter()
        outcome = self._stepper.finish(journal.step, factor=self._factor(schedule))
        if outcome is not None:
            self._end_step(outcome, schedule, stop, begun=begun)
        return True

    def _end_step(self, outcome: StepOutcome, schedule: Schedule, stop: StopRequest, *, begun: float) -> None:
        journal = self._journal
        self._spent.recorder.count(outcome.num_samples)
        journal.end_step(loss=outcome.loss, num_labelled=outcome.num_labelled, num_samples=outcome.num_samples)
        self._loader_state = self._reached
        journal.compute_seconds += time.perf_counter() - begun
        self._tell(outcome, schedule)
        self._after_step(stop)

    def _factor(self, schedule: Schedule) -> float:
        journal = self._journal
        return schedule.factor(schedule.place(journal.step, epoch=journal.epoch, epoch_steps=journal.epoch_steps))

    def _check_limits(self) -> None:
        if not self._stepper.is_in_group and (ended := self._limits.ended()) is not None:
            raise ended.raised(self._journal.step, self._save())

    def _is_out_of_steps(self) -> bool:
        return self._config.max_steps is not None and self._journal.step >= self._config.max_steps

    def _is_at_epoch_end(self) -> bool:
        """Tell whether the last step is known to be the last one of its epoch, or the first is still to come."""
        journal, num_samples = self._journal, self._train_loader.num_samples
        return num_samples is not None and journal.epoch_samples >= num_samples

    def _is_to_be_evaluated(self) -> bool:
        journal, every = self._journal, self._config.evaluate_every
        if every is None or not journal.epoch_steps or journal.step % every or self._stepper.is_in_group:
            return False
        return journal.evaluated_step != journal.step and not self._is_at_epoch_end()

    def _evaluate_within_epoch(self, stop: StopRequest) -> None:
        """Score the network where it is, and go back to where training is in the data."""
        journal, begun = self._journal, time.perf_counter()
        scored = Scored({}, 0.0)
        if self._valid is not None:
            scored = self._validate(self._valid, stop)
            self._train_loader.load_state_dict(self._loader_state)
        score = self._score_of(scored.metrics)
        found = StepEvaluation(
            step=journal.step,
            epoch=self._place(),
            valid=scored.metrics,
            valid_seconds=time.perf_counter() - begun,
            valid_stall_seconds=scored.stall_seconds,
        )
        is_best = journal.note_evaluation(found, score)
        if is_best:
            self._keep_best(journal.epoch)
        self._progress.on_evaluation(found, is_best=is_best)

    def _end_within_epoch(self, stop: StopRequest) -> None:
        """End the run at its last step, in the middle of an epoch that another attempt may go on with."""
        if self._journal.step and self._journal.evaluated_step != self._journal.step:
            self._evaluate_within_epoch(stop)
        self._journal.finished = True
        self._save()

    def _after_step(self, stop: StopRequest) -> None:
        stop.check()
        every, minutes = self._config.checkpoint_every_steps, self._config.checkpoint_minutes
        is_due = minutes is not None and time.monotonic() - self._saved_seconds >= 60 * minutes
        if is_due or (every is not None and self._journal.step % every == 0):
            self._save()

    def _schedule(self) -> Schedule:
        """Return the schedule of the epoch in progress; it follows from what is known when the epoch begins."""
        journal, num_samples = self._journal, self._train_loader.num_samples
        return make_schedule(
            self._config,
            self._known,
            num_samples=num_samples,
            first_epoch_steps=journal.epochs[0].num_steps if journal.epochs else None,
        )

    def _place(self) -> float:
        """Return the epochs that are done, with the part of the one in progress where its size is known."""
        journal, num_samples = self._journal, self._train_loader.num_samples
        return journal.epoch + (journal.epoch_samples / max(num_samples, 1) if num_samples is not None else 0.0)

    def _tell(self, outcome: StepOutcome, schedule: Schedule) -> None:
        journal, num_samples = self._journal, self._train_loader.num_samples
        loss, rate = outcome.loss if outcome.num_labelled else None, outcome.learning_rate
        if loss is not None:
            journal.curve.add(LossPoint(step=journal.step, epoch=self._place(), loss=loss, learning_rate=rate))
        self._progress.on_step(
            StepUpdate(
                step=journal.step,
                num_steps=schedule.num_steps,
                epoch=journal.epoch,
                num_epochs=self._config.num_epochs,
                epoch_samples=journal.epoch_samples,
                num_samples=num_samples,
                loss=loss,
                learning_rate=rate,
                stall_seconds=journal.stall_seconds,
                compute_seconds=journal.compute_seconds,
                spending=self._limits.spending,
            )
        )

    def _end_epoch(self, stop: StopRequest) -> None:
        journal, begun = self._journal, time.perf_counter()
        scored = Scored({}, 0.0)
        if self._valid is not None:
            scored = self._validate(self._valid, stop)
        score = self._score_of(scored.metrics)
        # Both loaders may be parts of one stream, whose place the validation has moved on.
        self._loader_state = self._train_loader.state_dict()
        if not self._known.are_all and journal.epoch == 0:
            journal.curve.spread(0, first_step=0, num_steps=journal.epoch_steps)
        record = journal.end_epoch(
            scored.metrics, valid_seconds=time.perf_counter() - begun, valid_stall_seconds=scored.stall_seconds
        )
        is_best = journal.note_score(record.epoch, score)
        journal.finished = self._is_finished()
        if is_best:
            self._keep_best(record.epoch)
        self._save()
        self._progress.on_epoch(record, is_best=is_best)

    def _validate(self, valid: Validation, stop: StopRequest) -> Scored:
        with self._activity.during("valid"):
            return valid.metrics(self._stepper.evaluated, self._journal.epoch, stop)

    def _score_of(self, metrics: MetricValues) -> MetricValue | None:
        asked = self._config.best
        return best_by(metrics, asked or self._task.score, is_asked=asked is not None)

    def _keep_best(self, epoch: int) -> None:
        content = {**self._stepper.weights(), "trained_on": self._training_split()}
        with self._activity.during("save"):
            self._best = self._checkpoints.save_best(
                content, identity=self._identity, step=self._journal.step, epoch=epoch
            )

    def _training_split(self) -> dict[str, Any] | None:
        return None if self._trained_on is None else msgspec.to_builtins(self._trained_on())

    def _is_finished(self) -> bool:
        journal, config = self._journal, self._config
        out_of_patience = config.patience is not None and journal.bad_epochs >= config.patience
        return journal.epoch >= config.num_epochs or out_of_patience or self._is_out_of_steps()

    def interrupted(self, stop: StopRequest) -> Interrupted:
        """Save what was done, which is what a stop was put off for; return the error that tells so.

        Raises:
            OutputError: it cannot be saved.
        """
        stop.calm()
        received = stop.received or stopping.received()
        name = "a signal" if received is None else received.name
        self._stepper.abandon()
        if self._watch is not None and self._watch.ended is not None:
            return self._watch.ended.raised(self._journal.step, self._save())
        return Interrupted(
            f"{name} stopped the run after step {self._journal.step}, saved as {self._save()}",
            fix="run the same command again to go on",
        )

    def _save(self) -> str:
        """Save the state after the last step, if that is not done yet; return the file's path or URI."""
        journal = self._journal
        place = (journal.step, journal.epoch, journal.evaluated_step, journal.finished)
        if self._saved is not None and self._saved[0] == place:
            return self._saved[1]
        journal.longest_seconds = self._limits.longest_seconds
        content = {
            **self._stepper.state_dict(),
            "loader": self._loader_state,
            "rng": capture_rng(),
            "journal": self._spent.added_to(self._journal, self._checkpoints.saves).to_plain(),
        }
        step, epoch = journal.step, journal.epoch
        with self._activity.during("save"):
            where = self._checkpoints.save(content, identity=self._identity, step=step, epoch=epoch)
        log.info("saved", extra={"checkpoint": where, "step": step, "epoch": epoch})
        self._saved, self._saved_seconds = (place, where), time.monotonic()
        self._on_save(self.result(ended_unsaid()))
        return where

    def result(self, error: BaseException | None) -> TrainResult:
        """Return how the run ended, or where it is."""
        model = self._stepper.model
        return TrainResult(
            config=self._config,
            score=self._task.score,
            identity=self._identity,
            host=describe_host(self._stepper.device),
            error=error,
            journal=self._spent.added_to(self._journal, self._checkpoints.saves, ended=ended_as_told(error)),
            checkpoint=self._best,
            weights_sha256=None if error is not None else weights_sha256(model),
            num_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
            started_at=self._spent.started_at,
            ended_at=datetime.now(UTC),
            seconds_to_first_batch=self._spent.first_batch_seconds or 0.0,
        )
