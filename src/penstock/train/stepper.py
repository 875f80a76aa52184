"""One training step: forward, loss, backward, clipped update; and the state of all that takes part in it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from penstock.errors import CheckpointMismatch, ConfigError, TrainingDiverged
from penstock.loader.protocols import Batch, on_device
from penstock.recipes.objectives import Objective
from penstock.recipes.protocols import OwnOptimisers, OwnStep, Recipe
from penstock.train.config import TrainConfig
from penstock.train.device import choose_device, choose_precision

__all__ = ["StepOutcome", "Stepper"]

_MISFIT = re.compile(r"^(?!CUDA).*\b(d?type|shapes?|sizes?|dimensions?|channels)\b", re.DOTALL | re.IGNORECASE)
"""Of torch, where a layer is given tensors of another type or shape; it tells so in no class of its own."""


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
    """A network with its optimisers.

    Args:
        recipe: that the network is of, whose own optimisers and training step are used where it has some.

    Raises:
        ConfigError: the device that was asked for is not there, or the recipe makes no optimisers.
    """

    def __init__(
        self, config: TrainConfig, *, model: nn.Module, objective: Objective, recipe: Recipe | None = None
    ) -> None:
        if config.num_threads is not None:
            torch.set_num_threads(config.num_threads)
        self._config, self._objective = config, objective
        self._recipe: object = recipe
        self.device = choose_device(config.device)
        self._precision = choose_precision(config.amp, self.device)
        self.model = model.to(self.device)
        self._optimisers = _optimisers_of(recipe, self.model, config)
        self._rates = [[float(group["lr"]) for group in each.param_groups] for each in self._optimisers]
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self._precision.needs_scaler)

    def step(self, batch: Batch, step: int, *, factor: float) -> StepOutcome:
        """Learn from a batch.

        Args:
            batch: on the CPU.
            step: 0-based number of the step in the whole run.
            factor: of the schedule, which the learning rates are multiplied with.

        Raises:
            TrainingDiverged: the loss or the gradient is not finite.
        """
        self._set_learning_rates(factor)
        rate = self._config.learning_rate * factor
        data = on_device(batch.data, self.device)

        def update(loss: torch.Tensor, *optimisers: torch.optim.Optimizer) -> float:
            return self._update(loss, optimisers, batch=batch, step=step, rate=rate)

        if isinstance(self._recipe, OwnStep):
            with self._precision.autocast():
                loss, num_labelled = self._recipe.training_step(self.model, data, self._optimisers, update)
        else:
            outputs = self._outputs(data["inputs"], len(batch))
            mean, num_labelled = self._objective.loss(outputs, data)
            loss = update(mean, *self._optimisers)
        return StepOutcome(loss=float(loss), num_labelled=num_labelled, learning_rate=rate)

    def _update(
        self,
        loss: torch.Tensor,
        optimisers: Sequence[torch.optim.Optimizer],
        *,
        batch: Batch,
        step: int,
        rate: float,
    ) -> float:
        """Have optimisers make a step down the gradient of a loss, which is clipped; return the loss."""
        value = loss.item()
        if not math.isfinite(value):
            raise _diverged("loss", value, step=step, rate=rate, batch=batch)
        for each in optimisers:
            each.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, enabled=False):
            self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        for each in optimisers:
            self._scaler.unscale_(each)
        parameters = [one for each in optimisers for group in each.param_groups for one in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, self._config.clip_norm or math.inf).item()
        # With loss scaling a gradient that overflowed is expected now and then: the scaler skips that update.
        if not math.isfinite(norm) and not self._scaler.is_enabled():
            raise _diverged("gradient's norm", norm, step=step, rate=rate, batch=batch)
        for each in optimisers:
            self._scaler.step(each)
        self._scaler.update()
        return value

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
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or not _MISFIT.search(str(error)):
                raise
            raise ConfigError(
                f"the model {self._config.model!r} cannot take a batch whose inputs are {_described(inputs)} "
                f"({' '.join(str(error).split())[:200]})",
                fix="let the task decode samples to what the model takes, float32 as a rule, or choose another model",
            ) from error

    def _set_learning_rates(self, factor: float) -> None:
        for optimiser, rates in zip(self._optimisers, self._rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def weights(self) -> dict[str, Any]:
        """Return what an evaluation needs."""
        return {"model": self.model.state_dict(), "objective": self._objective.state_dict()}

    def state_dict(self) -> dict[str, Any]:
        """Return what the next step depends on."""
        states = [each.state_dict() for each in self._optimisers]
        return {
            **self.weights(),
            "optimiser": states[0] if len(states) == 1 else states,
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
            saved = state["optimiser"] if isinstance(state["optimiser"], list) else [state["optimiser"]]
            for optimiser, one in zip(self._optimisers, saved, strict=True):
                optimiser.load_state_dict(one)
        except (RuntimeError, ValueError) as error:
            what = f"the last checkpoint's weights do not fit model {self._config.model!r}"
            fix = "use the Penstock release that wrote it, or give this run another folder"
            raise CheckpointMismatch(what, fix=fix) from error
        if self._scaler.is_enabled() and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])


def _optimisers_of(recipe: object, model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Return the recipe's own optimisers, or AdamW over all parameters.

    Raises:
        ConfigError: the recipe makes none.
    """
    rate, decay = config.learning_rate, config.weight_decay
    if not isinstance(recipe, OwnOptimisers):
        return [torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)]
    made: Any = recipe.make_optimisers(model, learning_rate=rate, weight_decay=decay)
    found = list(made) if isinstance(made, list | tuple) else [made]
    if not found or not all(isinstance(each, torch.optim.Optimizer) for each in found):
        names = ", ".join(type(each).__name__ for each in found) or "none"
        raise ConfigError(
            f"make_optimisers of {type(recipe).__name__} gives {names}",
            fix="let it give a list of torch.optim optimisers",
        )
    return found


def _diverged(what: str, value: float, *, step: int, rate: float, batch: Batch) -> TrainingDiverged:
    bad = _not_finite(batch.data["inputs"], len(batch))
    if bad.any():
        key = batch.keys[int(bad.int().argmax())]
        return TrainingDiverged(
            f"the {what} is {value} at step {step + 1}: sample {key} holds values that are not finite",
            fix="repair that sample, or leave it out",
            about=key,
        )
    return TrainingDiverged(
        f"the {what} is {value} at step {step + 1} with learning rate {rate:.3g}",
        fix="lower --learning-rate or --clip-norm",
        about=batch.keys[0],
    )


def _described(tree: Any) -> str:
    """Say what a tree of tensors is."""
    if isinstance(tree, torch.Tensor):
        return f"{str(tree.dtype).removeprefix('torch.')} of shape {tuple(tree.shape)}"
    if isinstance(tree, Mapping):
        return "{" + ", ".join(f"{name}: {_described(each)}" for name, each in tree.items()) + "}"
    return f"a {type(tree).__name__}"


def _not_finite(tree: Any, num_samples: int) -> torch.Tensor:
    """Tell which samples have values that are not finite, in a tree of tensors with an item a sample."""
    found = torch.zeros(num_samples, dtype=torch.bool)
    parts = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list | tuple) else ()
    for part in parts:
        found |= _not_finite(part, num_samples)
    if isinstance(tree, torch.Tensor) and tree.ndim and len(tree) == num_samples:
        found |= ~torch.isfinite(tree).reshape(num_samples, -1).all(dim=1)
    return found
