"""What a recipe is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Recipe"]


class Recipe(Protocol):
    """The networks that tasks of one kind are learnt by. Importing it imports no torch."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the networks, the default first; ``timm:NAME`` stands for all that begin with ``timm:``."""
        ...

    def check_model(self, name: str, shape: Sequence[int]) -> None:
        """Check that a network takes samples of a shape; without torch.

        Raises:
            ConfigError: there is no such network, or it does not.
        """
        ...

    def build_model(self, name: str, *, shape: Sequence[int], num_outputs: int) -> nn.Module:
        """Build a network with fresh weights, drawn from torch's global generator.

        Args:
            name: one of ``models``.
            shape: of one sample.
            num_outputs: 1 for regression, else the number of classes.

        Raises:
            ConfigError: there is no such network, or it cannot take samples of this shape.
        """
        ...
