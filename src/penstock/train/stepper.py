"""One optimiser step: forward, loss, backward, clipped update; and the state of all that takes part in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from penstock.errors import CheckpointMismatch, ConfigError, TrainingDiverged
from penstock.loader.protocols import Batch, on_device
from penstock.recipes.objectives import Objective
from penstock.train.config import TrainConfig
from penstock.train.device import choose_device, choose_precision

__all__ = ["StepOutcome", "Stepper"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StepOutcome:
    """What a step gave.

    Attributes:
        loss: mean over the batch's labelled samples, before the update.
        num_labelled: how many they are.
    """

    loss: float
    num_labelled: int
    learning_rate: float


class Stepper:
    """A network with its optimiser.

    Raises:
        ConfigError: the device that was asked for is not there.
    """

    def __init__(self, config: TrainConfig, *, model: nn.Module, objective: Objective) -> None:
        if config.num_threads is not None:
            torch.set_num_threads(config.num_threads)
        self._config, self._objective = config, objective
        self.device = choose_device(config.device)
        self._precision = choose_precision(config.amp, self.device)
        self.model = model.to(self.device)
        self._optimiser = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self._precision.needs_scaler)

    def step(self, batch: Batch, step: int, *, factor: float) -> StepOutcome:
        """Learn from a batch.

        Args:
            batch: on the CPU.
            step: 0-based number of the step in the whole run.
            factor: of the schedule, which the learning rate is multiplied with.

        Raises:
            TrainingDiverged: the loss or the gradient is not finite.
        """
        rate = self._set_learning_rate(factor)
        data = on_device(batch.data, self.device)
        self._optimiser.zero_grad(set_to_none=True)
        outputs = self._outputs(data["inputs"], len(batch))
        mean, num_labelled = self._objective.loss(outputs, data)
        loss = mean.item()
        if not math.isfinite(loss):
            raise _diverged("loss", loss, step=step, rate=rate, batch=batch)
        self._scaler.scale(mean).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimiser)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._config.clip_norm or math.inf).item()
        # With loss scaling a gradient that overflowed is expected now and then: the scaler skips that update.
        if not math.isfinite(norm) and not self._scaler.is_enabled():
            raise _diverged("gradient's norm", norm, step=step, rate=rate, batch=batch)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return StepOutcome(loss=loss, num_labelled=num_labelled, learning_rate=rate)

    def _outputs(self, inputs: Any, num_samples: int) -> Any:
        try:
            with self._precision.autocast():
                return self.model(inputs)
        except ValueError as error:
            if num_samples > 1:
                raise
            # Batch normalisation over one value a channel; it tells so in no class of its own.
            raise ConfigError(
                f"the model {self._config.model!r} cannot be trained on a batch of one sample ({error})",
                fix="choose another --batch-size, so that no epoch ends with such a batch, or larger samples",
            ) from error

    def _set_learning_rate(self, factor: float) -> float:
        rate = self._config.learning_rate * factor
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        return rate

    def weights(self) -> dict[str, Any]:
        """Give what an evaluation needs."""
        return {"model": self.model.state_dict(), "objective": self._objective.state_dict()}

    def state_dict(self) -> dict[str, Any]:
        """Give what the next step depends on."""
        return {
            **self.weights(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved state.

        Raises:
            CheckpointMismatch: it is of another network.
            KeyError: a part of it is missing.
        """
        try:
            self.model.load_state_dict(state["model"])
            self._optimiser.load_state_dict(state["optimiser"])
        except (RuntimeError, ValueError) as error:
            what = f"the last checkpoint's weights do not fit model {self._config.model!r}"
            fix = "use the Penstock release that wrote it, or give this run another folder"
            raise CheckpointMismatch(what, fix=fix) from error
        if self._scaler.is_enabled() and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])


def _diverged(what: str, value: float, *, step: int, rate: float, batch: Batch) -> TrainingDiverged:
    bad = _not_finite(batch.data["inputs"], len(batch))
    if bad.any():
        key = batch.keys[int(bad.int().argmax())]
        return TrainingDiverged(
            f"the {what} is {value} at step {step + 1}: sample {key} holds values that are not finite",
            fix="repair that recording or leave it out",
            about=key,
        )
    return TrainingDiverged(
        f"the {what} is {value} at step {step + 1} with learning rate {rate:.3g}",
        fix="lower --learning-rate or --clip-norm",
        about=batch.keys[0],
    )


def _not_finite(tree: Any, num_samples: int) -> torch.Tensor:
    """Tell which samples have values that are not finite, in a tree of tensors with an item a sample."""
    found = torch.zeros(num_samples, dtype=torch.bool)
    parts = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list | tuple) else ()
    for part in parts:
        found |= _not_finite(part, num_samples)
    if isinstance(tree, torch.Tensor) and tree.ndim and len(tree) == num_samples:
        found |= ~torch.isfinite(tree).reshape(num_samples, -1).all(dim=1)
    return found
