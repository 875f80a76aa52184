"""Learning rate by step: a pure function, so that a resumed run has nothing to restore."""

from __future__ import annotations

import math
from dataclasses import dataclass

from penstock.train.config import TrainConfig
from penstock.train.options import ScheduleName

__all__ = ["KnownSamples", "Schedule", "make_schedule"]

ONECYCLE_FIRST = 1 / 25
ONECYCLE_LAST = ONECYCLE_FIRST * 1e-4
"""Parts of the highest rate that ``onecycle`` begins and ends with, as torch's ``OneCycleLR`` does unless told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """What the learning rate is multiplied with at each step.

    Attributes:
        name: of the curve after the warm-up.
        num_warmup: steps in which it rises, in a straight line but for ``onecycle``.
        falls_from: step from which it falls, at least ``num_warmup``.
        num_steps: of the whole run, if it does not stop early; None where that is not known, and nothing falls.
        epoch_steps: of each epoch, where all have as many; None where they may not.
    """

    name: ScheduleName
    num_warmup: int
    falls_from: int
    num_steps: int | None
    epoch_steps: int | None = None

    def place(self, step: int, *, epoch: int, epoch_steps: int) -> int:
        """Return the step, 0-based, of the schedule that a step of the run is.

        Where no sample of a batch could be used, an epoch has a step less: the next one begins where it would have.
        """
        return step if self.epoch_steps is None else epoch * self.epoch_steps + epoch_steps

    def factor(self, step: int) -> float:
        """Return the factor, above 0 and at most 1, of a step, 0-based; past the last one the last one's holds."""
        if self.num_steps is not None:
            step = min(step, self.num_steps - 1)
        if step < self.num_warmup:
            return self._rising(step)
        if self.name == "constant" or self.num_steps is None or step < self.falls_from:
            return 1.0
        if self.name == "onecycle":
            top = max(self.falls_from - 1, 0)
            return _cosine(1.0, ONECYCLE_LAST, (step - top) / max(self.num_steps - 1 - top, 1))
        fallen = (step - self.falls_from) / max(self.num_steps - self.falls_from, 1)
        if self.name == "linear":
            return 1 - fallen
        return 0.5 * (1 + math.cos(math.pi * fallen))

    def _rising(self, step: int) -> float:
        if self.name != "onecycle":
            return (step + 1) / (self.num_warmup + 1)
        return _cosine(ONECYCLE_FIRST, 1.0, step / (self.num_warmup - 1) if self.num_warmup > 1 else 1.0)


def _cosine(first: float, last: float, part: float) -> float:
    """Return what lies on the half wave of a cosine from one value to another, 0 to 1 of the way."""
    return last + (first - last) / 2 * (1 + math.cos(math.pi * part))


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownSamples:
    """Samples of an epoch that are known before the first one begins.

    Attributes:
        number: of them; where a listing goes on, those of its first part that there is something to learn from.
        are_all: whether there are no others.
    """

    number: int
    are_all: bool


def make_schedule(
    config: TrainConfig, known: KnownSamples, *, num_samples: int | None, first_epoch_steps: int | None
) -> Schedule:
    """Return the schedule of a run, as far as it is known.

    It warms up over the part that it would were the samples that are known at its beginning all there are. Where they
    are not, it stays at its highest for the rest of the first epoch, and falls over the others.

    Args:
        config: of the run.
        known: when the run begins.
        num_samples: of each epoch, whose last batch may be small; None where that is not known yet.
        first_epoch_steps: of the first epoch, None while it goes on.
    """
    epoch_steps = _epoch_steps(config, known.number)
    foreseen = _at_most(config, config.num_epochs * epoch_steps)
    num_warmup = config.warmup_steps
    if num_warmup is None:
        num_warmup = math.ceil(foreseen * config.warmup_fraction)
    if known.are_all:
        return Schedule(
            name=config.schedule,
            num_warmup=num_warmup,
            falls_from=num_warmup,
            num_steps=foreseen,
            epoch_steps=epoch_steps
            if known.number == num_samples and foreseen == config.num_epochs * epoch_steps
            else None,
        )
    if first_epoch_steps is None or num_samples is None:
        return Schedule(name=config.schedule, num_warmup=num_warmup, falls_from=num_warmup, num_steps=None)
    num_steps = _at_most(config, first_epoch_steps + (config.num_epochs - 1) * _epoch_steps(config, num_samples))
    falls_from = max(first_epoch_steps, num_warmup)
    return Schedule(name=config.schedule, num_warmup=num_warmup, falls_from=falls_from, num_steps=num_steps)


def _at_most(config: TrainConfig, num_steps: int) -> int:
    return num_steps if config.max_steps is None else min(num_steps, config.max_steps)


def _epoch_steps(config: TrainConfig, num_samples: int) -> int:
    num_batches = math.ceil(num_samples / config.batch_size)
    return max(1, math.ceil(num_batches / config.accumulate))
