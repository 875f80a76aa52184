"""The networks of images, without torch until one is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.recipes.images.names import MODEL_NAMES, check_shape, library_model

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ImageRecipe"]


class ImageRecipe:
    """Networks for arrays of (channels, height, width)."""

    models = MODEL_NAMES

    def check_model(self, name: str, shape: Sequence[int]) -> None:
        """Check that a network takes samples of a shape.

        Raises:
            ConfigError: it does not.
        """
        check_shape(name, shape)

    def build_model(self, name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
        """Build a network with fresh weights.

        Raises:
            ConfigError: there is no such network, or it cannot take samples of this shape.
        """
        check_shape(name, shape)
        found = library_model(name)
        if found is not None:
            from penstock.recipes.images.libraries import build_library_model  # here: libraries take seconds

            return build_library_model(*found, shape=shape, num_outputs=num_outputs)
        from penstock.recipes.images.networks import SmallImageNet  # here: torch takes a second

        return SmallImageNet(num_channels=shape[0], num_outputs=num_outputs)
