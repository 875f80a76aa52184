"""The networks of tables, without torch until one is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["TableRecipe"]


class TableRecipe:
    """Networks for rows of numbers."""

    models = ("small", "linear")

    def check_model(self, name: str, shape: Sequence[int]) -> None:
        """Check that a network takes samples of a shape.

        Raises:
            ConfigError: there is no such network, or it does not.
        """
        if name not in self.models:
            raise ConfigError(f"there is no table model {name!r}", fix=f"choose one of: {', '.join(self.models)}")
        if len(shape) != 1 or shape[0] < 1:
            raise ConfigError(
                f"table model {name!r} cannot take samples of shape {tuple(shape)}", fix="give it rows of numbers"
            )

    def build_model(self, name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
        """Build a network with fresh weights.

        Raises:
            ConfigError: there is no such network, or it cannot take samples of this shape.
        """
        self.check_model(name, shape)
        from penstock.recipes.table import networks  # here: torch takes a second

        return networks.linear(shape[0], num_outputs) if name == "linear" else networks.small(shape[0], num_outputs)
