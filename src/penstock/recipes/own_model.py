"""Networks that a user's own package makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import nn

from penstock.errors import ConfigError
from penstock.plugins import load_attribute
from penstock.recipes.protocols import OwnInputs, OwnObjective

__all__ = ["build_own_model", "try_out"]

_TRIED_SAMPLES = 2


def build_own_model(path: str, *, shape: Sequence[int], num_outputs: int, recipe: object = None) -> nn.Module:
    """Call ``package.module:factory`` with the keywords ``shape`` and ``num_outputs``, and try out what it gives.

    Args:
        recipe: of the task; where it has an objective of its own, what a network takes and gives is between the two.

    Raises:
        ConfigError: it cannot be imported or called, or gives no network from (B, *shape) to (B, num_outputs).
    """
    factory = load_attribute(path, what=f"the model {path!r}")
    if not callable(factory):
        raise ConfigError(f"{path} is no function or class", fix="name one that gives a torch.nn.Module")
    try:
        model = cast("Callable[..., object]", factory)(shape=tuple(shape), num_outputs=num_outputs)
    except Exception as error:
        raise ConfigError(
            f"{path}(shape={tuple(shape)}, num_outputs={num_outputs}) failed: {type(error).__name__}: {error}",
            fix="write it like def factory(*, shape: tuple[int, ...], num_outputs: int) -> torch.nn.Module",
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{path} gives a {type(model).__name__}", fix="let it give a torch.nn.Module")
    if isinstance(recipe, OwnObjective):
        _check_trainable(model, path)
    else:
        try_out(model, path, shape=shape, num_outputs=num_outputs, recipe=recipe)
    return model


def _check_trainable(model: nn.Module, path: str) -> None:
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(f"the network of {path} has no parameters to train", fix="give it layers")


def try_out(model: nn.Module, path: str, *, shape: Sequence[int], num_outputs: int, recipe: object = None) -> None:
    """See that a network takes samples and gives one row of numbers each, in training and in evaluation.

    Neither its weights and statistics nor torch's global generator are changed by it.

    Args:
        path: that the network has in messages.
        recipe: of the task, which may take other inputs than an array.

    Raises:
        ConfigError: it has nothing to train, or does not.
    """
    _check_trainable(model, path)
    was_training = model.training
    statistics = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for training in (True, False):
                _try_once(model.train(training), path, shape=shape, num_outputs=num_outputs, recipe=recipe)
    finally:
        with torch.no_grad():
            for buffer, before in statistics:
                buffer.copy_(before)
        model.train(was_training)


def _try_once(model: nn.Module, path: str, *, shape: Sequence[int], num_outputs: int, recipe: object) -> None:
    wanted = (_TRIED_SAMPLES, num_outputs)
    try:
        if isinstance(recipe, OwnInputs):
            found = model(recipe.zeros(_TRIED_SAMPLES, shape=shape))
        else:
            found = model(torch.zeros(_TRIED_SAMPLES, *shape))
    except Exception as error:
        raise ConfigError(
            f"the network of {path} cannot take a batch of shape {(_TRIED_SAMPLES, *shape)}: "
            f"{type(error).__name__}: {error}",
            fix="make it for samples of that shape",
        ) from error
    if not isinstance(found, torch.Tensor) or tuple(found.shape) != wanted:
        given = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        mode = "training" if model.training else "evaluation"
        raise ConfigError(
            f"the network of {path} gives {given} for {_TRIED_SAMPLES} samples, not {wanted}, in {mode}",
            fix="let it give one row of num_outputs numbers a sample",
        )
