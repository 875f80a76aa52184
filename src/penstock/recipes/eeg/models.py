"""The EEG networks by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType

from torch import nn

from penstock.recipes.eeg.model_names import MODEL_NAMES, check_shape
from penstock.recipes.eeg.networks import EEGNeX, SmallNet

__all__ = ["build_model"]

_NETWORKS: tuple[Callable[..., nn.Module], ...] = (SmallNet, EEGNeX)
_MODELS = MappingProxyType(dict(zip(MODEL_NAMES, _NETWORKS, strict=True)))


def build_model(name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
    """Build a network with fresh weights, drawn from torch's global generator.

    Args:
        name: one of ``MODEL_NAMES``.
        shape: (channels, times) of one sample.
        num_outputs: 1 for regression, else the number of classes.

    Raises:
        ConfigError: there is no such network, or it cannot take samples of this shape.
    """
    check_shape(name, shape)
    return _MODELS[name](num_channels=shape[0], num_times=shape[1], num_outputs=num_outputs)
