"""The run so far: counters, curves and the best epoch, as they go into a checkpoint."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.records import (
    AttemptRecord,
    EpochRecord,
    LossPoint,
    Meters,
    MetricValue,
    MetricValues,
    Saves,
    StepEvaluation,
    Timeline,
)

__all__ = ["MAX_EVALUATIONS", "MAX_LOSS_POINTS", "Curve", "Journal"]

MAX_LOSS_POINTS = 500
MAX_EVALUATIONS = 500
"""In the middle of epochs, that are kept: beyond it every second one is, and the best."""


class Curve(msgspec.Struct, kw_only=True):
    """A training curve of at most ``MAX_LOSS_POINTS`` points: each is the mean of the same number of steps.

    When it is full, neighbours are joined and each further point stands for twice as many steps.

    Attributes:
        stride: steps that one point stands for.
        pending_sum: losses since the last point, together.
        pending_steps: how many they are, below ``stride``.
    """

    points: list[LossPoint] = msgspec.field(default_factory=list)
    stride: int = 1
    pending_sum: float = 0.0
    pending_steps: int = 0

    def add(self, point: LossPoint) -> None:
        """Take one step's loss in."""
        self.pending_sum += point.loss
        self.pending_steps += 1
        if self.pending_steps < self.stride:
            return
        self.points.append(msgspec.structs.replace(point, loss=self.pending_sum / self.pending_steps))
        self.pending_sum, self.pending_steps = 0.0, 0
        if len(self.points) >= MAX_LOSS_POINTS:
            pairs = zip(self.points[::2], self.points[1::2], strict=True)
            self.points = [msgspec.structs.replace(b, loss=(a.loss + b.loss) / 2) for a, b in pairs]
            self.stride *= 2

    def spread(self, epoch: int, *, first_step: int, num_steps: int) -> None:
        """Return the points of an epoch their places in it, where its size was not known when they were taken.

        Args:
            epoch: 0-based.
            first_step: steps before it.
            num_steps: of the epoch.
        """
        end = first_step + num_steps
        self.points = [
            msgspec.structs.replace(point, epoch=epoch + (point.step - first_step) / num_steps)
            if first_step < point.step <= end
            else point
            for point in self.points
        ]


class Journal(msgspec.Struct, kw_only=True):
    """Everything about a run besides weights, optimiser, loader and chance.

    Attributes:
        step: optimiser steps done.
        epoch: 0-based number of the epoch in progress, or of the next.
        epoch_steps: steps of it done.
        epoch_samples: samples of it done.
        loss_sum: losses of it, each times its labelled samples.
        num_labelled: labelled samples of it done.
        stall_seconds: waited for data in it.
        compute_seconds: the rest of its training pass so far.
        finished: whether the run needs no more epochs.
        epochs: the epochs that ended.
        evaluations: those in the middle of epochs.
        evaluated_step: the last step after which there was one.
        best_step: the step, where the best one is of these.
        best_score: of ``best_epoch``, None before an epoch's end that has a score.
        bad_epochs: ended without a better score, in a row.
        num_resumes: times the run went on from a checkpoint.
        wall_seconds: of all attempts, up to when this was saved.
        meters: of all attempts, up to when this was saved, without what was requested.
        traffic: what was requested in all attempts, up to when this was saved, by the ids that it is counted under.
        longest_seconds: the longest that a step took, its data apart.
        saves: of all attempts, but for the one that saves this.
        timeline: of all attempts, up to when this was saved; None where they kept none.
        attempts: so far, the last of them up to when this was saved.
    """

    step: int = 0
    epoch: int = 0
    epoch_steps: int = 0
    epoch_samples: int = 0
    loss_sum: float = 0.0
    num_labelled: int = 0
    stall_seconds: float = 0.0
    compute_seconds: float = 0.0
    finished: bool = False
    curve: Curve = msgspec.field(default_factory=Curve)
    epochs: list[EpochRecord] = msgspec.field(default_factory=list)
    evaluations: list[StepEvaluation] = msgspec.field(default_factory=list)
    evaluated_step: int = 0
    best_step: int | None = None
    best_score: float | None = None
    best_epoch: int | None = None
    bad_epochs: int = 0
    num_resumes: int = 0
    wall_seconds: float = 0.0
    meters: Meters = msgspec.field(default_factory=Meters)
    traffic: dict[str, Meters] = msgspec.field(default_factory=dict)
    longest_seconds: float = 0.0
    saves: Saves = msgspec.field(default_factory=Saves)
    timeline: Timeline | None = None
    attempts: list[AttemptRecord] = msgspec.field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """Return it as dicts, lists and numbers."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Journal:
        """Make it again.

        Raises:
            msgspec.ValidationError: it is not such a dict.
        """
        return msgspec.convert(plain, cls)

    def end_step(self, *, loss: float, num_labelled: int, num_samples: int) -> None:
        """Count a step in."""
        self.step += 1
        self.epoch_steps += 1
        self.epoch_samples += num_samples
        self.loss_sum += loss * num_labelled
        self.num_labelled += num_labelled

    def end_epoch(self, valid: MetricValues, *, valid_seconds: float, valid_stall_seconds: float = 0.0) -> EpochRecord:
        """Close the epoch in progress with its validation metrics, and begin the next."""
        record = EpochRecord(
            epoch=self.epoch,
            num_steps=self.epoch_steps,
            num_samples=self.epoch_samples,
            train_loss=self.loss_sum / max(self.num_labelled, 1),
            valid=valid,
            stall_seconds=self.stall_seconds,
            compute_seconds=self.compute_seconds,
            valid_seconds=valid_seconds,
            valid_stall_seconds=valid_stall_seconds,
        )
        self.epochs.append(record)
        self.epoch += 1
        self.epoch_steps = self.epoch_samples = self.num_labelled = 0
        self.loss_sum = self.stall_seconds = self.compute_seconds = 0.0
        return record

    def note_evaluation(self, found: StepEvaluation, score: MetricValue | None) -> bool:
        """Take in a validation in the middle of the epoch; say whether it is the best so far."""
        self.evaluated_step = found.step
        is_best = self.note_score(self.epoch, score, step=found.step)
        self.evaluations.append(found)
        if len(self.evaluations) > MAX_EVALUATIONS:
            kept = enumerate(self.evaluations)
            self.evaluations = [each for place, each in kept if place % 2 or each.step == self.best_step]
        return is_best

    def note_score(self, epoch: int, score: MetricValue | None, *, step: int | None = None) -> bool:
        """Say whether an epoch is the best so far, and remember it.

        One without a score is never better than one with: only as long as none has any is the latest the best.

        Args:
            step: after which it was scored, where that is in its middle; it is not counted as a bad epoch.
        """
        value = None if score is None else score.value
        if self.best_score is None:
            better = True
        elif score is None or value is None:
            better = False
        else:
            better = value > self.best_score if score.higher_is_better else value < self.best_score
        if better:
            self.best_score, self.best_epoch, self.best_step, self.bad_epochs = value, epoch, step, 0
        elif step is None:
            self.bad_epochs += 1
        return better
