"""Learning rate by step: a pure function, so that a resumed run has nothing to restore."""

from __future__ import annotations

import math
from dataclasses import dataclass

from penstock.train.config import TrainConfig
from penstock.train.options import ScheduleName

__all__ = ["KnownSamples", "Schedule", "make_schedule"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """What the learning rate is multiplied with at each step.

    Attributes:
        name: of the curve after the warm-up.
        num_warmup: steps in which it rises in a straight line.
        falls_from: step from which ``cosine`` falls, at least ``num_warmup``.
        num_steps: of the whole run, if it does not stop early; None where that is not known, and nothing falls.
    """

    name: ScheduleName
    num_warmup: int
    falls_from: int
    num_steps: int | None

    def factor(self, step: int) -> float:
        """Return the factor, above 0 and at most 1, of a step, 0-based; past the last one the last one's holds."""
        if self.num_steps is not None:
            step = min(step, self.num_steps - 1)
        if step < self.num_warmup:
            return (step + 1) / (self.num_warmup + 1)
        if self.name == "constant" or self.num_steps is None or step < self.falls_from:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - self.falls_from) / max(self.num_steps - self.falls_from, 1)))


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
    foreseen = config.num_epochs * _epoch_steps(config, known.number)
    num_warmup = math.ceil(foreseen * config.warmup_fraction)
    if known.are_all:
        return Schedule(name=config.schedule, num_warmup=num_warmup, falls_from=num_warmup, num_steps=foreseen)
    if first_epoch_steps is None or num_samples is None:
        return Schedule(name=config.schedule, num_warmup=num_warmup, falls_from=num_warmup, num_steps=None)
    num_steps = first_epoch_steps + (config.num_epochs - 1) * _epoch_steps(config, num_samples)
    falls_from = max(first_epoch_steps, num_warmup)
    return Schedule(name=config.schedule, num_warmup=num_warmup, falls_from=falls_from, num_steps=num_steps)


def _epoch_steps(config: TrainConfig, num_samples: int) -> int:
    return max(1, math.ceil(num_samples / config.batch_size))
