"""Networks of torchvision and timm by name, with fresh weights: nothing is downloaded."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from torch import nn

from penstock.errors import ConfigError
from penstock.extras import how_to_install
from penstock.recipes.own_model import try_out
from penstock.texts import did_you_mean

__all__ = ["build_library_model"]

SHOWN = 8
"""Names that an error tells of a library that has hundreds."""


def build_library_model(library: str, name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
    """Build a network and try it out.

    Args:
        library: ``torchvision`` or ``timm``.
        name: in the library.
        shape: (channels, height, width) of one sample.
        num_outputs: number of classes.

    Raises:
        ConfigError: the library cannot be imported or has no such network, or it cannot take such samples.
    """
    path = f"{library}:{name}"
    try:
        module: Any = importlib.import_module("torchvision.models" if library == "torchvision" else "timm")
    except Exception as error:
        raise ConfigError(
            f"{library} cannot be imported: {type(error).__name__}: {error}",
            fix=f"install one that fits the torch that is here: {how_to_install(library)}",
        ) from error
    known = list(module.list_models())
    if name not in known:
        meant = did_you_mean(name, known, quoted=False)
        raise ConfigError(
            f"{library} has no model {name!r}",
            fix=f"{meant}it has {len(known)}, {', '.join(known[:SHOWN])} for some",
        )
    try:
        if library == "torchvision":
            model = module.get_model(name, weights=None, num_classes=num_outputs)
        else:
            model = module.create_model(name, pretrained=False, num_classes=num_outputs, in_chans=shape[0])
    except Exception as error:
        raise ConfigError(
            f"{path} cannot be built: {type(error).__name__}: {error}", fix="choose another network"
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{path} gives a {type(model).__name__}", fix="choose a network that classifies images")
    try_out(model, path, shape=shape, num_outputs=num_outputs)
    return model
