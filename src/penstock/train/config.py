"""Options of a training run, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from penstock.errors import ConfigError
from penstock.train.resuming import Change, rule_of

__all__ = ["AmpMode", "ConfigValue", "DeviceName", "ScheduleName", "TrainConfig", "option_of"]

ConfigValue = str | int | float | bool | None
AmpMode = Literal["auto", "off"]
DeviceName = Literal["auto", "cpu", "cuda"]
ScheduleName = Literal["cosine", "constant"]

_OPTIONS = {
    "num_epochs": "epochs",
    "warmup_fraction": "warmup",
    "checkpoint_every_steps": "checkpoint_every",
    "num_threads": "threads",
}
"""Names of options where they are not those of the fields."""
MOST_THREADS = 1024


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
    num_epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    schedule: ScheduleName = "cosine"
    warmup_fraction: float = 0.05
    clip_norm: float | None = 1.0
    patience: int | None = None
    seed: int = 0
    amp: AmpMode = "auto"
    device: DeviceName = "auto"
    checkpoint_every_steps: int | None = None
    checkpoint_minutes: float | None = 10.0
    keep_checkpoints: int = 2
    num_threads: int | None = None

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
        _check_choice(self, "schedule", ("cosine", "constant"))
        _check_choice(self, "amp", ("auto", "off"))
        _check_choice(self, "device", ("auto", "cpu", "cuda"))

    def as_dict(self) -> dict[str, ConfigValue]:
        """Give every option by name."""
        return cast("dict[str, ConfigValue]", asdict(self))

    def identity(self) -> dict[str, ConfigValue]:
        """Give the options that what is learnt depends on, by the fields' names: a checkpoint is of these."""
        return {name: value for name, value in self.as_dict().items() if rule_of(option_of(name)) is not Change.FREE}


def option_of(field: str) -> str:
    """Give the name of the option that sets a field."""
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
