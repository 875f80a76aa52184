"""Names of the EEG networks and what samples they take, for those who choose one without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.errors import ConfigError

__all__ = ["ALL_NAMES", "LIBRARY", "MODEL_NAMES", "check_shape", "library_model"]

MODEL_NAMES: Final = ("small", "eegnex")
LIBRARY: Final = "braindecode"
"""Package whose networks can be named like ``braindecode:EEGNetv4``; an extra of the same name."""
ALL_NAMES: Final = (*MODEL_NAMES, f"{LIBRARY}:NAME")
_MIN_TIMES = 32


def library_model(name: str) -> str | None:
    """Return the name in the library of ``braindecode:NAME``; None for a network of our own."""
    library, colon, inner = name.partition(":")
    return inner if colon and library == LIBRARY else None


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Check that a network takes samples of a shape, as far as it can be told without importing a library.

    Raises:
        ConfigError: there is no such network, or it does not.
    """
    if name not in MODEL_NAMES and library_model(name) is None:
        raise ConfigError(f"there is no EEG model {name!r}", fix=f"choose one of: {', '.join(ALL_NAMES)}")
    if len(shape) != 2 or shape[0] < 1 or shape[1] < _MIN_TIMES:
        raise ConfigError(
            f"EEG model {name!r} cannot take samples of shape {tuple(shape)}",
            fix=f"give it (channels, times) with at least {_MIN_TIMES} times",
        )
