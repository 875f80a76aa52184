"""The network of a checkpoint."""

from __future__ import annotations

from torch import nn

from penstock.errors import CheckpointMismatch, ConfigError
from penstock.recipes.registry import build_model, is_own_model
from penstock.train.checkpoint_file import Weights

__all__ = ["check_model_asked", "trained_model"]


def check_model_asked(weights: Weights, asked: str | None, *, flag: str = "--model") -> None:
    """Have the code of a user's own network run only where its name was given: a checkpoint may come from anywhere.

    Args:
        asked: value of the flag.

    Raises:
        CheckpointMismatch: it is another network.
        ConfigError: it is one's own, and was not named.
    """
    name = weights.identity.model
    if asked is not None and asked != name:
        raise CheckpointMismatch(
            f"the checkpoint {weights.location} has the model {name!r}, {flag} is {asked!r}",
            fix="pass the model that it was trained with, or another checkpoint",
            about=weights.location,
        )
    if asked is None and is_own_model(name, task=weights.identity.task):
        raise ConfigError(
            f"the checkpoint {weights.location} has a model of one's own, {name!r}, whose code would be run",
            fix=f"pass {flag} {name} if you trust it",
        )


def trained_model(weights: Weights, *, num_outputs: int) -> nn.Module:
    """Return the network with the weights of a checkpoint.

    Raises:
        CheckpointMismatch: they do not fit it.
    """
    identity = weights.identity
    model = build_model(identity.model, task=identity.task, shape=identity.shape, num_outputs=num_outputs)
    try:
        model.load_state_dict(weights.model)
    except RuntimeError as error:
        raise CheckpointMismatch(
            f"the weights of {weights.location} do not fit the model {weights.identity.model!r}: {error}",
            fix="use the code that it was trained with",
            about=weights.location,
        ) from error
    return model
