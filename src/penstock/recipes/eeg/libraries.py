"""Networks of braindecode by name, with fresh weights: nothing is downloaded."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from torch import nn

from penstock.errors import ConfigError
from penstock.extras import how_to_install
from penstock.recipes.own_model import try_out
from penstock.texts import did_you_mean

__all__ = ["build_braindecode", "factory_text"]

_SETTINGS: Final = MappingProxyType({"add_log_softmax": False, "final_conv_length": "auto", "final_fc_length": "auto"})
"""What must be said where a network has it: outputs as they are, and one for each sample, however long."""


def build_braindecode(name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
    """Build a network of braindecode and try it out.

    It is told the channels and times of a sample, how many numbers to give, and ``_SETTINGS``; all else is as its
    authors set it.

    Args:
        name: of its class, like ``EEGNetv4``.
        shape: (channels, times) of one sample.
        num_outputs: 1 for regression, else the number of classes.

    Raises:
        ConfigError: the library cannot be imported or has no such network, or it cannot take such samples.
    """
    known = _networks()
    if name not in known:
        meant = did_you_mean(name, list(known), quoted=False)
        raise ConfigError(f"braindecode has no model {name!r}", fix=f"{meant}it has {', '.join(known)}")
    path = f"braindecode:{name}"
    try:
        model = known[name](n_chans=shape[0], n_times=shape[1], n_outputs=num_outputs, **_settings(known[name]))
    except Exception as error:
        raise ConfigError(
            f"{path} cannot be built for samples of shape {tuple(shape)}: {type(error).__name__}: "
            f"{' '.join(str(error).split())}",
            fix="choose another, or build it in a module of your own, --model package.module:factory",
        ) from error
    try_out(model, path, shape=shape, num_outputs=num_outputs)
    return _checked(model, path)


def _settings(kind: Any) -> dict[str, Any]:
    """Return those of ``_SETTINGS`` that a network takes."""
    return {name: value for name, value in _SETTINGS.items() if name in inspect.signature(kind).parameters}


def _networks() -> dict[str, Any]:
    """Return the library's networks by their names."""
    try:
        models: Any = importlib.import_module("braindecode.models")
        base: Any = importlib.import_module("braindecode.models.base").EEGModuleMixin
    except Exception as error:
        raise ConfigError(
            f"braindecode cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}",
            fix=f"install one that fits the torch that is here: {how_to_install('braindecode')}",
        ) from error
    found = inspect.getmembers(models, inspect.isclass)
    return {name: kind for name, kind in found if issubclass(kind, base) and issubclass(kind, nn.Module)}


def _checked(model: nn.Module, path: str) -> nn.Module:
    """Refuse a network whose outputs are logarithms of probabilities already, of which one alone is always 0."""
    if any(isinstance(part, nn.LogSoftmax) for part in model.modules()):
        raise ConfigError(
            f"{path} gives logarithms of probabilities", fix="choose another: its last layer must be linear"
        )
    return model


def factory_text(name: str) -> str:
    """Return a module whose ``factory`` builds the network where Penstock is not."""
    settings = "".join(f", {key}={value!r}" for key, value in _settings(_networks()[name]).items())
    return (
        f'"""The network {name} of braindecode."""\n\n'
        f"from braindecode.models import {name}\n\n\n"
        "def factory(*, shape, num_outputs):\n"
        '    """Build it for samples of (channels, times)."""\n'
        f"    return {name}(n_chans=shape[0], n_times=shape[1], n_outputs=num_outputs{settings})\n"
    )
