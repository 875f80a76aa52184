"""The EEG tasks' networks, without torch until one is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.recipes.eeg.model_names import ALL_NAMES, check_shape, library_model

if TYPE_CHECKING:
    from torch import nn

__all__ = ["EegRecipe"]


class EegRecipe:
    """Networks for arrays of (channels, times)."""

    models = ALL_NAMES

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
        found = library_model(name)
        if found is not None:
            check_shape(name, shape)
            from penstock.recipes.eeg.libraries import build_braindecode  # here: the library takes seconds

            return build_braindecode(found, shape=shape, num_outputs=num_outputs)
        from penstock.recipes.eeg.models import build_model  # here: torch takes a second

        return build_model(name, shape=shape, num_outputs=num_outputs)
