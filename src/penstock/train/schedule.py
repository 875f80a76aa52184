"""Learning rate by step: a pure function, so that a resumed run has nothing to restore."""

from __future__ import annotations

import math

from penstock.train.config import ScheduleName, TrainConfig

__all__ = ["learning_rate_factor", "num_steps"]


def num_steps(config: TrainConfig, num_samples: int) -> int:
    """Give the steps of a run that does not stop early, where an epoch's last batch may be small."""
    return config.num_epochs * max(1, math.ceil(num_samples / config.batch_size))


def learning_rate_factor(schedule: ScheduleName, *, step: int, num_steps: int, warmup_fraction: float) -> float:
    """Give what the learning rate is multiplied with, above 0 and at most 1.

    Args:
        schedule: the curve after the warm-up.
        step: 0-based; past the last one the last one's factor holds.
        num_steps: of the whole run.
        warmup_fraction: part of the steps in which the factor rises in a straight line.
    """
    step = min(step, num_steps - 1)
    num_warmup = math.ceil(num_steps * warmup_fraction)
    if step < num_warmup:
        return (step + 1) / (num_warmup + 1)
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - num_warmup) / max(num_steps - num_warmup, 1)))
