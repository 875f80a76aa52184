"""What a run tells while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from penstock.records import EpochRecord, StepEvaluation
from penstock.train.limits import Spending

__all__ = ["Progress", "StepUpdate", "Unwatched"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StepUpdate:
    """State after one step.

    Attributes:
        step: steps done since the run's very start.
        num_steps: steps of the whole run, if it does not stop early; None while that is not known.
        epoch: 0-based.
        epoch_samples: samples of this epoch done.
        num_samples: samples of an epoch; None while that is not known.
        loss: of this step's batch; None where nothing of it could be learnt from.
        stall_seconds: waited for data in this epoch so far.
        compute_seconds: computed in this epoch so far.
        spending: of the whole run, as of the last look at it.
    """

    step: int
    num_steps: int | None
    epoch: int
    num_epochs: int
    epoch_samples: int
    num_samples: int | None
    loss: float | None
    learning_rate: float
    stall_seconds: float
    compute_seconds: float
    spending: Spending | None = None


class Progress(Protocol):
    """Is told of each step and each epoch, in the trainer's thread: it must be quick."""

    def on_begin(self, *, step: int, epoch: int, epoch_samples: int, num_samples: int | None) -> None:
        """Take note of where the run begins, or goes on from: a place as in ``StepUpdate``."""
        ...

    def on_step(self, update: StepUpdate) -> None:
        """Take note of a step."""
        ...

    def on_epoch(self, record: EpochRecord, *, is_best: bool) -> None:
        """Take note of an epoch's end."""
        ...

    def on_evaluation(self, found: StepEvaluation, *, is_best: bool) -> None:
        """Take note of a validation in the middle of an epoch."""
        ...


class Unwatched:
    """Tells nobody."""

    def on_begin(self, *, step: int, epoch: int, epoch_samples: int, num_samples: int | None) -> None:
        """Do nothing."""

    def on_step(self, update: StepUpdate) -> None:
        """Do nothing."""

    def on_epoch(self, record: EpochRecord, *, is_best: bool) -> None:
        """Do nothing."""

    def on_evaluation(self, found: StepEvaluation, *, is_best: bool) -> None:
        """Do nothing."""
