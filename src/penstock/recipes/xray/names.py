"""Names of the networks for X-rays and what samples they take, for those who choose one without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.errors import ConfigError
from penstock.texts import did_you_mean

__all__ = ["MODEL_NAMES", "check_shape"]

_FACTORS: Final = {
    "unet": 16,
    "unet-small": 8,
    "unet-masked": 16,
    "unet-masked-small": 8,
    "reversed-autoencoder": 32,
    "reversed-autoencoder-small": 8,
}
"""What the sides of a sample must be multiples of: each halving makes it twice as much."""
MODEL_NAMES: Final = tuple(_FACTORS)
_MOST_SIDE: Final = 1024


def check_shape(name: str, shape: Sequence[int]) -> None:
    """Check that a network takes samples of a shape.

    Raises:
        ConfigError: there is no such network, or it does not.
    """
    if name not in _FACTORS:
        meant = did_you_mean(name, MODEL_NAMES, quoted=False)
        raise ConfigError(f"there is no X-ray model {name!r}", fix=f"{meant}choose one of: {', '.join(MODEL_NAMES)}")
    factor = _FACTORS[name]
    sides = tuple(shape[1:])
    fits = len(shape) == 3 and shape[0] == 1 and all(2 * factor <= side <= _MOST_SIDE for side in sides)
    if not fits or sides[0] != sides[1] or sides[0] % factor:
        raise ConfigError(
            f"X-ray model {name!r} cannot take samples of shape {tuple(shape)}",
            fix=f"give it grey squares whose side is a multiple of {factor}, from {2 * factor} on: --option size=",
        )
