"""One training step: forward, loss, backward, clipped update; and the state of all that takes part in it.

A step learns from one batch, or from several (``--accumulate``), whose gradients are added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from penstock.errors import CheckpointMismatch, ConfigError
from penstock.loader.protocols import Batch, on_device
from penstock.recipes.objectives import Objective
from penstock.recipes.protocols import OwnStep, Recipe
from penstock.recipes.refusing import check_recipe
from penstock.train.adaptation import Adaptation, adaptation_of
from penstock.train.averaging import MovingMean
from penstock.train.config import TrainConfig
from penstock.train.device import choose_device, choose_precision
from penstock.train.grouping import Group
from penstock.train.network import channels_last, prepared
from penstock.train.optimisers import optimisers_of
from penstock.train.telling import diverged, misfit, telling_of_torch

__all__ = ["StepOutcome", "Stepper"]

LEAST_SCALE = 2.0**-20
"""Of a loss: below it no gradient of float16 was finite for dozens of steps, and none will be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepOutcome:
    """What a step gave.

    Attributes:
        loss: mean over the labelled samples of the step's batches, before the update.
        num_labelled: how many they are.
        num_samples: all samples of the step.
    """

    loss: float
    num_labelled: int
    num_samples: int
    learning_rate: float


class Stepper:
    """A network with its optimisers.

    Args:
        recipe: that the network is of, whose own optimisers and training step are used where it has some.

    Attributes:
        num_steps: of the whole run, which --adapt goes by; None where that is not known.

    Raises:
        ConfigError: the device or precision that was asked for is not there, the recipe makes no optimisers, or has no
            use for an option.
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
        check_recipe(
            recipe,
            optimizer=config.optimizer,
            momentum=config.momentum,
            accumulate=config.accumulate,
            is_compiled=config.compile,
        )
        self._forward = prepared(self.model, config)
        self._adaptation: Adaptation | None = adaptation_of(self.model, config, recipe=recipe)
        trained = self.model if self._adaptation is None else nn.ModuleList([self.model, self._adaptation.module])
        self._optimisers = optimisers_of(recipe, trained, config)
        self.num_steps: int | None = None
        self._rates = [[float(group["lr"]) for group in each.param_groups] for each in self._optimisers]
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self._precision.needs_scaler)
        self._mean = MovingMean(self.model, config.ema) if config.ema is not None else None
        self._group = Group(config.accumulate)

    @property
    def evaluated(self) -> nn.Module:
        """The network that is evaluated and kept as the best: that of the moving mean, where there is one."""
        return self.model if self._mean is None else self._mean.model

    def learn(self, batch: Batch, step: int, *, factor: float) -> StepOutcome | None:
        """Learn from a batch; make a step where it is the last one of its group, else return None.

        Args and errors are those of ``step``.
        """
        if self._config.accumulate == 1:
            return self.step(batch, step, factor=factor)
        with telling_of_torch(self._config.model):
            self._add(batch, step, factor=factor)
        return self.finish(step, factor=factor) if self._group.is_full else None

    def _add(self, batch: Batch, step: int, *, factor: float) -> None:
        group, rate = self._group, self._config.learning_rate * factor
        if not group.is_begun:
            group.begin(self.model)
            self._zero_gradients(self._optimisers)
        self._set_learning_rates(factor)
        data = self._data_of(batch)
        loss, num_labelled = self._objective.loss(self._outputs(data["inputs"], len(batch)), data)
        value = loss.item()
        if not math.isfinite(value):
            raise diverged("loss", value, step=step, rate=rate, batch=batch)
        with torch.autocast(self.device.type, enabled=False):
            self._scaler.scale(loss * group.weight(num_labelled)).backward()  # type: ignore[no-untyped-call]
        group.add(batch, value, num_labelled)

    def finish(self, step: int, *, factor: float) -> StepOutcome | None:
        """Make the step of the batches that were learnt from since the last one; None where there were none.

        Raises:
            TrainingDiverged: the gradient is not finite.
        """
        group, rate = self._group, self._config.learning_rate * factor
        if group.last is None:
            return None
        self._descend(self._optimisers, batch=group.last, step=step, rate=rate, group=group)
        self._group = Group(self._config.accumulate)
        if self._mean is not None:
            self._mean.update(self.model)
        return StepOutcome(
            loss=group.loss, num_labelled=group.num_labelled, num_samples=group.num_samples, learning_rate=rate
        )

    @property
    def is_in_group(self) -> bool:
        """Whether batches were learnt from whose step is not made."""
        return self._group.is_begun

    def abandon(self) -> None:
        """Go back to the last step that was made, from among the batches of the next."""
        self._group.go_back(self.model)
        self._group = Group(self._config.accumulate)

    def step(self, batch: Batch, step: int, *, factor: float) -> StepOutcome:
        """Learn from a batch, and make a step.

        Args:
            batch: on the CPU.
            step: 0-based number of the step in the whole run.
            factor: of the schedule, which the learning rates are multiplied with.

        Raises:
            TrainingDiverged: the loss or the gradient is not finite.
        """
        self._set_learning_rates(factor)
        rate = self._config.learning_rate * factor
        data = self._data_of(batch)

        def update(loss: torch.Tensor, *optimisers: torch.optim.Optimizer) -> float:
            return self._update(loss, optimisers, batch=batch, step=step, rate=rate)

        with telling_of_torch(self._config.model):
            if isinstance(self._recipe, OwnStep):
                with self._precision.autocast():
                    loss, num_labelled = self._recipe.training_step(self.model, data, self._optimisers, update)
            else:
                mean, num_labelled = self._loss(data, len(batch), step=step)
                loss = update(mean, *self._optimisers)
        if self._mean is not None:
            self._mean.update(self.model)
        return StepOutcome(loss=float(loss), num_labelled=num_labelled, num_samples=len(batch), learning_rate=rate)

    def _loss(self, data: Any, num_samples: int, *, step: int) -> tuple[torch.Tensor, int]:
        outputs = self._outputs(data["inputs"], num_samples)
        if self._adaptation is None:
            return self._objective.loss(outputs, data)
        answers, features = outputs
        mean, num_labelled = self._objective.loss(answers, data)
        with torch.autocast(self.device.type, enabled=False):
            part = self._adaptation.loss(features.float(), data["targets"], done=step / (self.num_steps or math.inf))
        return mean if part is None else mean + part, num_labelled

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
            raise diverged("loss", value, step=step, rate=rate, batch=batch)
        self._zero_gradients(optimisers)
        with torch.autocast(self.device.type, enabled=False):
            self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._descend(optimisers, batch=batch, step=step, rate=rate)
        return value

    def _zero_gradients(self, optimisers: Sequence[torch.optim.Optimizer]) -> None:
        for each in optimisers:
            each.zero_grad(set_to_none=True)

    def _descend(
        self,
        optimisers: Sequence[torch.optim.Optimizer],
        *,
        batch: Batch,
        step: int,
        rate: float,
        group: Group | None = None,
    ) -> None:
        """Have optimisers make a step down the gradients that are there."""
        for each in optimisers:
            self._scaler.unscale_(each)
        parameters = [one for each in optimisers for some in each.param_groups for one in some["params"]]
        if group is not None:
            group.divide(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self._config.clip_norm or math.inf).item()
        # With loss scaling a gradient that overflowed is expected now and then: the scaler skips that update.
        if not math.isfinite(norm) and not self._scaler.is_enabled():
            raise diverged("gradient's norm", norm, step=step, rate=rate, batch=batch)
        for each in optimisers:
            self._scaler.step(each)
        self._scaler.update()
        if self._scaler.is_enabled() and self._scaler.get_scale() < LEAST_SCALE:
            raise diverged("gradient's norm", norm, step=step, rate=rate, batch=batch)

    def _data_of(self, batch: Batch) -> Any:
        data = on_device(batch.data, self.device)
        return data | {"inputs": channels_last(data["inputs"])} if self._config.channels_last else data

    def _outputs(self, inputs: Any, num_samples: int) -> Any:
        try:
            with self._precision.autocast():
                return self._forward(inputs) if self._adaptation is None else self._adaptation.forward(inputs)
        except ValueError as error:
            if num_samples > 1:
                raise
            # Batch normalisation over one value a channel; it tells so in no class of its own.
            raise ConfigError(
                f"the model {self._config.model!r} cannot be trained on a batch of one sample ({error})",
                fix="choose another --batch-size, so that no epoch ends with such a batch, or larger samples",
            ) from error
        except RuntimeError as error:
            told = misfit(error, inputs, model=self._config.model)
            if told is None:
                raise
            raise told from error

    def _set_learning_rates(self, factor: float) -> None:
        for optimiser, rates in zip(self._optimisers, self._rates, strict=True):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def begin_with(self, initialise: Callable[[nn.Module], None]) -> None:
        """Have something put other weights into the untrained network."""
        initialise(self.model)
        if self._mean is not None:
            self._mean.model.load_state_dict(self.model.state_dict())

    def weights(self) -> dict[str, Any]:
        """Return what an evaluation needs."""
        return {"model": self.evaluated.state_dict(), "objective": self._objective.state_dict()}

    def state_dict(self) -> dict[str, Any]:
        """Return what the next step depends on."""
        states = [each.state_dict() for each in self._optimisers]
        state = {
            "model": self.model.state_dict(),
            "objective": self._objective.state_dict(),
            "optimiser": states[0] if len(states) == 1 else states,
            "scaler": self._scaler.state_dict(),
        }
        if self._adaptation is not None:
            state["adaptation"] = self._adaptation.module.state_dict()
        return state if self._mean is None else state | {"mean": self._mean.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved state.

        Raises:
            CheckpointMismatch: it is of another network.
            KeyError: a part of it is missing.
        """
        try:
            self.model.load_state_dict(state["model"])
            if self._adaptation is not None:
                self._adaptation.module.load_state_dict(state["adaptation"])
            saved = state["optimiser"] if isinstance(state["optimiser"], list) else [state["optimiser"]]
            for optimiser, one in zip(self._optimisers, saved, strict=True):
                optimiser.load_state_dict(one)
            if self._mean is not None:
                self._mean.load_state_dict(state["mean"])
        except (RuntimeError, ValueError) as error:
            what = f"the last checkpoint's weights do not fit model {self._config.model!r}"
            fix = "use the Penstock release that wrote it, or give this run another folder"
            raise CheckpointMismatch(what, fix=fix) from error
        if self._scaler.is_enabled() and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
