"""Options of a training run, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast, get_args

from penstock.errors import ConfigError
from penstock.options import Change
from penstock.train.options import BATCH_SIZE, AmpMode, DeviceName, ScheduleName, TrainingOptions

__all__ = ["ConfigValue", "TrainConfig", "option_of"]

ConfigValue = str | int | float | bool | None

_OPTIONS = {
    "num_epochs": "epochs",
    "warmup_fraction": "warmup",
    "checkpoint_every_steps": "checkpoint_every",
    "num_threads": "threads",
}
"""Names of options where they are not those of the fields."""
MOST_THREADS = 1024
_GIVEN = TrainingOptions()
"""What the options are where none is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How to train.

    Attributes:
        task: name of the task.
        model: name of the network.
        num_epochs: passes over the training split, at most.
        batch_size: samples of one step.
        learning_rate: the highest that the schedule reaches.
        weight_decay: of AdamW, decoupled.
        schedule: ``cosine`` warms up and falls to 0 at the last step; ``constant`` warms up and stays.
        warmup_fraction: part of all steps in which the rate rises from near 0.
        clip_norm: gradients are scaled down to this norm, None leaves them.
        patience: epochs without a better validation score before the run ends, None never ends it.
        seed: of the weights, dropout and everything else drawn.
        amp: ``auto`` computes in bfloat16 (float16 where the GPU has no bfloat16) on CUDA.
        device: ``auto`` takes CUDA where there is one.
        checkpoint_every_steps: also save in the middle of epochs, after so many steps; None does not.
        checkpoint_minutes: also save after the first step that ends so long after the last save; None does not.
        keep_checkpoints: how many resumable ones are kept, the best one apart.
        num_threads: of torch on the CPU, None leaves torch's choice. Bits of the result may depend on it.

    Raises:
        ConfigError: a value that cannot be honoured.
    """

    task: str
    model: str
    num_epochs: int = _GIVEN.epochs
    batch_size: int = BATCH_SIZE
    learning_rate: float = _GIVEN.learning_rate
    weight_decay: float = _GIVEN.weight_decay
    schedule: ScheduleName = _GIVEN.schedule
    warmup_fraction: float = _GIVEN.warmup
    clip_norm: float | None = _GIVEN.clip_norm or None
    patience: int | None = _GIVEN.patience or None
    seed: int = 0
    amp: AmpMode = _GIVEN.amp
    device: DeviceName = _GIVEN.device
    checkpoint_every_steps: int | None = _GIVEN.checkpoint_every or None
    checkpoint_minutes: float | None = _GIVEN.checkpoint_minutes or None
    keep_checkpoints: int = _GIVEN.keep_checkpoints
    num_threads: int | None = _GIVEN.threads or None

    def __post_init__(self) -> None:
        for name in ("num_epochs", "batch_size", "keep_checkpoints"):
            _check(self, name, lambda value: value >= 1, "1 or more")
        for name in ("patience", "checkpoint_every_steps"):
            _check(self, name, lambda value: value is None or value >= 1, "1 or more, or leave it out")
        threads = f"1 to {MOST_THREADS}, or leave it out"
        _check(self, "num_threads", lambda value: value is None or 1 <= value <= MOST_THREADS, threads)
        _check(self, "learning_rate", lambda value: math.isfinite(value) and value > 0, "a number above 0")
        _check(self, "weight_decay", lambda value: math.isfinite(value) and value >= 0, "0 or more")
        _check(self, "warmup_fraction", lambda value: 0 <= value < 1, "0 or more and less than 1")
        _check(
            self, "checkpoint_minutes", lambda value: value is None or 0 < value < math.inf, "above 0, or 0 for none"
        )
        _check(self, "clip_norm", lambda value: value is None or 0 < value < math.inf, "above 0, or leave it out")
        _check(self, "seed", lambda value: 0 <= value < 2**32, f"0 to {2**32 - 1}")
        _check_choice(self, "schedule", get_args(ScheduleName))
        _check_choice(self, "amp", get_args(AmpMode))
        _check_choice(self, "device", get_args(DeviceName))

    def as_dict(self) -> dict[str, ConfigValue]:
        """Return every option by name."""
        return cast("dict[str, ConfigValue]", asdict(self))

    def identity(self) -> dict[str, ConfigValue]:
        """Return the options that what is learnt depends on, by the fields' names: a checkpoint is of these."""
        rules = TrainingOptions.rules()
        return {name: value for name, value in self.as_dict().items() if rules.get(option_of(name)) is not Change.FREE}


def option_of(field: str) -> str:
    """Return the name of the option that sets a field."""
    return _OPTIONS.get(field, field)


def _flag(name: str) -> str:
    return "--" + option_of(name).replace("_", "-")


def _check(config: TrainConfig, name: str, holds: Callable[[Any], bool], wanted: str) -> None:
    value = getattr(config, name)
    if not holds(value):
        raise ConfigError(f"{_flag(name)} {value} cannot be used", fix=f"give {wanted}")


def _check_choice(config: TrainConfig, name: str, choices: Sequence[str]) -> None:
    value = getattr(config, name)
    if value not in choices:
        raise ConfigError(f"{_flag(name)} {value!r} is not known", fix=f"choose one of: {', '.join(choices)}")
