"""The optimisers of a run: the recipe's own, or the one that was asked for, over all parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import nn

from penstock.errors import ConfigError
from penstock.recipes.protocols import OwnOptimisers
from penstock.train.config import TrainConfig
from penstock.train.options import OptimizerName

__all__ = ["optimisers_of"]

_SGD_MOMENTUM: Final = 0.9
_KINDS: Final[Mapping[OptimizerName, Callable[..., torch.optim.Optimizer]]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}


def optimisers_of(recipe: object, model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Return the recipe's own optimisers, or the one that was asked for over all parameters.

    Raises:
        ConfigError: the recipe makes none.
    """
    rate, decay = config.learning_rate, config.weight_decay
    if not isinstance(recipe, OwnOptimisers):
        momentum = _momentum(config)
        return [_KINDS[config.optimizer](model.parameters(), lr=rate, weight_decay=decay, **momentum)]
    made: Any = recipe.make_optimisers(model, learning_rate=rate, weight_decay=decay)
    found = list(made) if isinstance(made, list | tuple) else [made]
    if not found or not all(isinstance(each, torch.optim.Optimizer) for each in found):
        names = ", ".join(type(each).__name__ for each in found) or "none"
        raise ConfigError(
            f"make_optimisers of {type(recipe).__name__} gives {names}",
            fix="let it give a list of torch.optim optimisers",
        )
    return found


def _momentum(config: TrainConfig) -> dict[str, float]:
    if config.optimizer == "sgd":
        return {"momentum": _SGD_MOMENTUM if config.momentum is None else config.momentum}
    return {} if config.momentum is None else {"momentum": config.momentum}
