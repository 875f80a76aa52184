"""Names of the EEG networks and what samples they take, for those who choose one without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.errors import ConfigError

__all__ = ["MODEL_NAMES", "check_shape"]

MODEL_NAMES: Final = ("small", "eegnex")
_MIN_TIMES = 32


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Check that a network takes samples of a shape.

    Raises:
        ConfigError: there is no such network, or it does not.
    """
    if name not in MODEL_NAMES:
        raise ConfigError(f"there is no EEG model {name!r}", fix=f"choose one of: {', '.join(MODEL_NAMES)}")
    if len(shape) != 2 or shape[0] < 1 or shape[1] < _MIN_TIMES:
        raise ConfigError(
            f"EEG model {name!r} cannot take samples of shape {tuple(shape)}",
            fix=f"give it (channels, times) with at least {_MIN_TIMES} times",
        )
