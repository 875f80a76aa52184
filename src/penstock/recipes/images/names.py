"""Names of the image networks and what samples they take, for those who choose one without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.errors import ConfigError

__all__ = ["LIBRARIES", "MODEL_NAMES", "check_shape", "library_model"]

LIBRARIES: Final = ("torchvision", "timm")
"""Packages whose networks can be named like ``timm:resnet18``; each is an extra of its own name."""
MODEL_NAMES: Final = ("small", *(f"{library}:NAME" for library in LIBRARIES))
SMALLEST_SIDE: Final = 16


def library_model(name: str) -> tuple[str, str] | None:
    """Return the library and the name in it of ``library:name``; None for a network of our own."""
    library, colon, inner = name.partition(":")
    return (library, inner) if colon and library in LIBRARIES else None


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Check that a network takes samples of a shape, as far as it can be told without importing a library.

    Raises:
        ConfigError: there is no such network, or it does not.
    """
    found = library_model(name)
    if found is None and name != "small":
        raise ConfigError(f"there is no image model {name!r}", fix=f"choose one of: {', '.join(MODEL_NAMES)}")
    if len(shape) != 3 or shape[0] < 1 or min(shape[1:]) < SMALLEST_SIDE:
        raise ConfigError(
            f"image model {name!r} cannot take samples of shape {tuple(shape)}",
            fix=f"give it (channels, height, width) of at least {SMALLEST_SIDE} pixels",
        )
    if found is None:
        return
    if found[0] == "torchvision" and shape[0] != 3:
        raise ConfigError(
            f"torchvision's networks take 3 channels, and samples have {shape[0]}",
            fix="use --option channels=3, or a network of timm, which takes any",
        )
