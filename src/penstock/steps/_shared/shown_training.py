"""A run's progress as a stage that a person is shown."""

from __future__ import annotations

import contextlib
from typing import Any, Literal, Self

from penstock.observe import open_progress
from penstock.records import EpochRecord, MetricValues, StepEvaluation
from penstock.sources import RequestMeter
from penstock.train.progress import StepUpdate

__all__ = ["ShownTraining"]


class ShownTraining:
    """Shows a run's progress as a stage, which begins where the run goes on from.

    Args:
        total: steps or samples that there are to do, None where that is not known.
        unit: which of both are counted.
        score: name of the metric to show.
        meter: is told what the run spent, for whoever looks; None for nobody.
    """

    def __init__(
        self,
        total: int | None,
        *,
        score: str,
        unit: Literal["samples", "steps"] = "samples",
        meter: RequestMeter | None = None,
    ) -> None:
        self._total, self._score, self._unit = total, score, unit
        self._done, self._meter = 0, meter
        self._shown = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: Any) -> None:
        if self._meter is not None:
            self._meter.tell_spent(0.0, 0.0)
        self._shown.__exit__(*raised)

    def on_begin(self, *, step: int, epoch: int, epoch_samples: int, num_samples: int | None) -> None:
        """Open the stage."""
        self._done = self._place(step, epoch, epoch_samples, num_samples)
        self._stage = self._shown.enter_context(
            open_progress().stage("train", self._total, self._unit, done=self._done)
        )

    def on_step(self, update: StepUpdate) -> None:
        """Move the bar."""
        done = self._place(update.step, update.epoch, update.epoch_samples, update.num_samples)
        waited = update.stall_seconds / max(update.stall_seconds + update.compute_seconds, 1e-9)
        self._stage.advance(
            done - self._done,
            epoch=update.epoch + 1,
            epochs=update.num_epochs,
            **({} if update.loss is None else {"loss": update.loss}),
            stall_percent=100 * waited,
            **_spent(update),
        )
        self._done = done
        told = update.spending
        if self._meter is not None and told is not None and told.usd is not None:
            self._meter.tell_spent(told.usd, told.usd_per_hour or 0.0)

    def _place(self, step: int, epoch: int, epoch_samples: int, num_samples: int | None) -> int:
        return step if self._unit == "steps" else epoch * (num_samples or 0) + epoch_samples

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


def _spent(update: StepUpdate) -> dict[str, float]:
    """Return what the run cost so far, and costs by the hour, where that is known."""
    told = update.spending
    if told is None or told.usd is None or told.usd_per_hour is None:
        return {}
    return {"cost_usd": told.usd, "usd_per_hour": told.usd_per_hour}
