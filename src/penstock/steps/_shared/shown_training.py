"""A run's progress as a stage that a person is shown."""

from __future__ import annotations

import contextlib
from typing import Any, Self

from penstock.observe import open_progress
from penstock.records import EpochRecord, MetricValues, StepEvaluation
from penstock.train.progress import StepUpdate

__all__ = ["ShownTraining"]


class ShownTraining:
    """Shows a run's progress as a stage, which begins where the run goes on from.

    Args:
        total: samples of all epochs, None where that is not known.
        score: name of the metric to show.
    """

    def __init__(self, total: int | None, *, score: str) -> None:
        self._total, self._score = total, score
        self._done = 0
        self._shown = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._shown.__exit__(*raised)

    def on_begin(self, *, epoch: int, epoch_samples: int, num_samples: int | None) -> None:
        """Open the stage."""
        self._done = epoch * (num_samples or 0) + epoch_samples
        self._stage = self._shown.enter_context(open_progress().stage("train", self._total, done=self._done))

    def on_step(self, update: StepUpdate) -> None:
        """Move the bar."""
        done = update.epoch * (update.num_samples or 0) + update.epoch_samples
        waited = update.stall_seconds / max(update.stall_seconds + update.compute_seconds, 1e-9)
        self._stage.advance(
            done - self._done,
            epoch=update.epoch + 1,
            epochs=update.num_epochs,
            loss=update.loss,
            stall_percent=100 * waited,
        )
        self._done = done

    def on_epoch(self, record: EpochRecord, *, is_best: bool) -> None:
        """Tell the validation's metrics."""
        self._tell(record.valid)

    def on_evaluation(self, found: StepEvaluation, *, is_best: bool) -> None:
        """Tell the metrics of a validation in the middle of an epoch."""
        self._tell(found.valid)

    def _tell(self, valid: MetricValues) -> None:
        score = valid.get(self._score)
        if score is not None and score.value is not None:
            self._stage.advance(0, **{f"valid_{self._score}": score.value})
