"""A run's progress as it is shown, and told to trackers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.errors import Interrupted
from penstock.observe.trackers import Facts, Trackers
from penstock.records import EpochRecord, MetricValues, StepEvaluation
from penstock.train.config import ConfigValue
from penstock.train.progress import Progress, StepUpdate

__all__ = ["TrackedTraining", "tracked"]


class TrackedTraining:
    """Passes a run's progress on, and tells trackers of losses and metrics.

    Args:
        shown: what else is told.
    """

    def __init__(self, shown: Progress, trackers: Trackers) -> None:
        self._shown, self._trackers = shown, trackers
        self._step = 0

    def on_begin(self, *, step: int, epoch: int, epoch_samples: int, num_samples: int | None) -> None:
        """Pass it on."""
        self._shown.on_begin(step=step, epoch=epoch, epoch_samples=epoch_samples, num_samples=num_samples)

    def on_step(self, update: StepUpdate) -> None:
        """Tell the step's loss, its learning rate, and which part of the epoch's time was waiting."""
        self._shown.on_step(update)
        self._step = update.step
        spent = max(update.stall_seconds + update.compute_seconds, 1e-9)
        self._trackers.log(
            update.step,
            {
                **({} if update.loss is None else {"train/loss": update.loss}),
                "train/learning_rate": update.learning_rate,
                "train/stall_share": update.stall_seconds / spent,
                "train/epoch": float(update.epoch),
                **_spent(update),
            },
        )

    def on_epoch(self, record: EpochRecord, *, is_best: bool) -> None:
        """Tell the epoch's mean loss and its validation."""
        self._shown.on_epoch(record, is_best=is_best)
        self._trackers.log(self._step, {"train/epoch_loss": record.train_loss, **_told(record.valid)})

    def on_evaluation(self, found: StepEvaluation, *, is_best: bool) -> None:
        """Tell a validation in the middle of an epoch."""
        self._shown.on_evaluation(found, is_best=is_best)
        self._trackers.log(found.step, _told(found.valid))


@contextmanager
def tracked(text: str | None, shown: Progress, *, run_id: str, config: dict[str, ConfigValue]) -> Iterator[Progress]:
    """Open trackers, and end them as the block does.

    Args:
        text: of the option; None is none, and gives what is shown itself.
    """
    if not text:
        yield shown
        return
    trackers = Trackers(text, Facts(run_id=run_id, config=config))
    try:
        yield TrackedTraining(shown, trackers)
    except BaseException as error:
        trackers.close("interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed")
        raise
    trackers.close("succeeded")


def _spent(update: StepUpdate) -> dict[str, float]:
    told = update.spending
    if told is None:
        return {}
    costs = {} if told.usd is None else {"cost/usd": told.usd, "cost/usd_per_hour": told.usd_per_hour or 0.0}
    return {"cost/requests": float(told.requests), "cost/hours": told.hours, **costs}


def _told(metrics: MetricValues) -> dict[str, float]:
    return {f"valid/{name}": metric.value for name, metric in metrics.items() if metric.value is not None}
