"""Options of a training run, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from penstock.errors import ConfigError
from penstock.options import Change
from penstock.train.options import (
    BATCH_SIZE,
    AdaptName,
    AmpMode,
    DeviceName,
    OptimizerName,
    ScheduleName,
    TrainingOptions,
)

__all__ = ["WITH_MOMENTUM", "ConfigValue", "TrainConfig", "option_of", "weights_of"]

ConfigValue = str | int | float | bool | None

_OPTIONS = {
    "num_epochs": "epochs",
    "warmup_fraction": "warmup",
    "checkpoint_every_steps": "checkpoint_every",
    "num_threads": "threads",
}
"""Names of options where they are not those of the fields."""
MOST_THREADS = 1024
WITH_MOMENTUM = ("sgd", "rmsprop")
_GIVEN = TrainingOptions()
"""What the options are where none is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How to train.

    Attributes:
        task: name of the task.
        model: name of the network.
        num_epochs: passes over the training split, at most.
        max_steps: steps of the whole run, at most; None makes those of all epochs.
        batch_size: samples of one batch.
        accumulate: batches that one step learns from.
        learning_rate: the highest that the schedule reaches.
        optimizer: how weights follow the gradient, unless the recipe makes optimisers of its own.
        momentum: of sgd and rmsprop; None takes the usual one.
        weight_decay: of AdamW decoupled, of the others L2.
        label_smoothing: of classification, part of each target that is spread over all classes.
        class_weights: of classification: ``balanced``, or numbers with commas; None weighs all alike.
        adapt: how features of a second domain are made like the first one's; ``none`` does not.
        adapt_weight: what that part of the loss counts; None is the method's own.
        schedule: ``cosine`` and ``linear`` warm up and fall to 0 at the last step, ``onecycle`` does both by cosines,
            ``constant`` warms up and stays.
        warmup_fraction: part of all steps in which the rate rises from near 0.
        warmup_steps: steps in which it rises, in place of that part; None takes the part.
        ema: decay of a moving mean of the weights, which is evaluated; None keeps none.
        init_from: checkpoint whose weights the run begins with, None begins with fresh ones.
        best: metric that the best weights are chosen by; None takes the task's score.
        evaluate_every: steps after which the validation split is evaluated beside epochs' ends; None does not.
        clip_norm: gradients are scaled down to this norm, None leaves them.
        patience: epochs without a better validation score before the run ends, None never ends it.
        seed: of the weights, dropout and everything else drawn.
        amp: ``bf16`` and ``fp16`` compute in these; ``auto`` in bfloat16 (float16 where the GPU has none) on CUDA.
        compile: compile the network with torch.compile.
        channels_last: lay the network's and the batches' images out channels last.
        deterministic: take algorithms that give the same bits each time.
        checkpoint_activations: have the network compute activations again in the backward pass.
        device: ``auto`` takes CUDA where there is one.
        checkpoint_every_steps: also save in the middle of epochs, after so many steps; None does not.
        checkpoint_minutes: also save after the first step that ends so long after the last save; None does not.
        max_hours: of all attempts together, after which the run stops; None never does.
        max_usd: that the whole run may cost; None for any.
        max_requests: that the whole run may make; None for any.
        keep_checkpoints: how many resumable ones are kept, the best one apart.
        num_threads: of torch on the CPU, None leaves torch's choice. Bits of the result may depend on it.

    Raises:
        ConfigError: a value that cannot be honoured.
    """

    task: str
    model: str
    num_epochs: int = _GIVEN.epochs
    max_steps: int | None = _GIVEN.max_steps or None
    batch_size: int = BATCH_SIZE
    accumulate: int = _GIVEN.accumulate
    learning_rate: float = _GIVEN.learning_rate
    optimizer: OptimizerName = _GIVEN.optimizer
    momentum: float | None = _GIVEN.momentum
    weight_decay: float = _GIVEN.weight_decay
    label_smoothing: float = _GIVEN.label_smoothing
    class_weights: str | None = _GIVEN.class_weights
    adapt: AdaptName = _GIVEN.adapt
    adapt_weight: float | None = _GIVEN.adapt_weight
    schedule: ScheduleName = _GIVEN.schedule
    warmup_fraction: float = _GIVEN.warmup
    warmup_steps: int | None = _GIVEN.warmup_steps or None
    ema: float | None = _GIVEN.ema or None
    init_from: str | None = _GIVEN.init_from
    best: str | None = _GIVEN.best
    evaluate_every: int | None = _GIVEN.evaluate_every or None
    clip_norm: float | None = _GIVEN.clip_norm or None
    patience: int | None = _GIVEN.patience or None
    seed: int = 0
    amp: AmpMode = _GIVEN.amp
    compile: bool = _GIVEN.compile
    channels_last: bool = _GIVEN.channels_last
    deterministic: bool = _GIVEN.deterministic
    checkpoint_activations: bool = _GIVEN.checkpoint_activations
    device: DeviceName = _GIVEN.device
    checkpoint_every_steps: int | None = _GIVEN.checkpoint_every or None
    checkpoint_minutes: float | None = _GIVEN.checkpoint_minutes or None
    max_hours: float | None = _GIVEN.max_hours or None
    max_usd: float | None = _GIVEN.max_usd or None
    max_requests: int | None = _GIVEN.max_requests or None
    keep_checkpoints: int = _GIVEN.keep_checkpoints
    num_threads: int | None = _GIVEN.threads or None

    def __post_init__(self) -> None:
        for name in ("num_epochs", "batch_size", "accumulate", "keep_checkpoints"):
            _check(self, name, lambda value: value >= 1, "1 or more")
        for name in ("patience", "checkpoint_every_steps", "warmup_steps", "max_steps", "evaluate_every"):
            _check(self, name, lambda value: value is None or value >= 1, "1 or more, or leave it out")
        threads = f"1 to {MOST_THREADS}, or leave it out"
        _check(self, "num_threads", lambda value: value is None or 1 <= value <= MOST_THREADS, threads)
        _check(self, "learning_rate", lambda value: math.isfinite(value) and value > 0, "a number above 0")
        _check(self, "weight_decay", lambda value: math.isfinite(value) and value >= 0, "0 or more")
        _check(self, "warmup_fraction", lambda value: 0 <= value < 1, "0 or more and less than 1")
        _check(
            self, "checkpoint_minutes", lambda value: value is None or 0 < value < math.inf, "above 0, or 0 for none"
        )
        _check(self, "max_hours", lambda value: value is None or 0 < value < math.inf, "above 0, or 0 for no end")
        _check(self, "max_usd", lambda value: value is None or 0 < value < math.inf, "above 0, or 0 for no end")
        _check(self, "max_requests", lambda value: value is None or value >= 1, "1 or more, or 0 for no end")
        _check(self, "clip_norm", lambda value: value is None or 0 < value < math.inf, "above 0, or leave it out")
        _check(self, "label_smoothing", lambda value: 0 <= value < 1, "0 or more and less than 1, like 0.1")
        _check(self, "ema", lambda value: value is None or 0 < value < 1, "above 0 and less than 1, like 0.999, or 0")
        _check(self, "momentum", lambda value: value is None or 0 <= value < 1, "0 or more and less than 1, like 0.9")
        _check(self, "seed", lambda value: 0 <= value < 2**32, f"0 to {2**32 - 1}")
        _check(self, "adapt_weight", lambda value: value is None or 0 < value < math.inf, "a number above 0")
        _check_choice(self, "adapt", get_args(AdaptName))
        _check_choice(self, "schedule", get_args(ScheduleName))
        _check_choice(self, "amp", get_args(AmpMode))
        _check_choice(self, "device", get_args(DeviceName))
        _check_choice(self, "optimizer", get_args(OptimizerName))
        self._check_together()
        weights_of(self.class_weights)

    def _check_together(self) -> None:
        if self.adapt == "none" and self.adapt_weight is not None:
            raise ConfigError(
                f"--adapt-weight {self.adapt_weight:g} is given, and no --adapt", fix="choose one, or leave it out"
            )
        if self.adapt != "none" and (self.accumulate > 1 or self.compile):
            other = f"--accumulate {self.accumulate}" if self.accumulate > 1 else "--compile"
            raise ConfigError(
                f"--adapt {self.adapt} and {other} are both given",
                fix="leave one of them out: domains are compared within a batch, by the parts of a network",
            )
        if self.momentum is not None and self.optimizer not in WITH_MOMENTUM:
            raise ConfigError(
                f"--momentum {self.momentum:g} is given, and --optimizer {self.optimizer} has none",
                fix=f"leave it out, or choose one of: {', '.join(WITH_MOMENTUM)}",
            )
        if self.warmup_steps is not None and self.warmup_fraction != _GIVEN.warmup:
            raise ConfigError(
                f"--warmup {self.warmup_fraction:g} and --warmup-steps {self.warmup_steps} are both given",
                fix="give one of them",
            )

    def as_dict(self) -> dict[str, ConfigValue]:
        """Return every option by name."""
        return cast("dict[str, ConfigValue]", asdict(self))

    def identity(self) -> dict[str, ConfigValue]:
        """Return the options that what is learnt depends on, by the fields' names: a checkpoint is of these."""
        rules = TrainingOptions.rules()
        return {name: value for name, value in self.as_dict().items() if rules.get(option_of(name)) is not Change.FREE}


def weights_of(text: str | None) -> tuple[float, ...] | Literal["balanced"] | None:
    """Read what each class's loss counts.

    Raises:
        ConfigError: they are no numbers of 0 or more with commas between them, or all 0.
    """
    if text is None or text == "balanced":
        return cast('Literal["balanced"] | None', text)
    try:
        weights = tuple(float(part) for part in text.split(","))
    except ValueError:
        weights = ()
    if not weights or not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        raise ConfigError(
            f"--class-weights {text[:80]!r} cannot be used",
            fix="write balanced, or a number of 0 or more for each class, like 1,2.5",
        )
    return weights


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
