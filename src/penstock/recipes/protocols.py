"""What a recipe is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from penstock.manifest import ManifestInfo

if TYPE_CHECKING:
    from torch import nn

    from penstock.recipes.objectives import Objective

__all__ = ["OwnObjective", "Recipe"]


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


@runtime_checkable
class OwnObjective(Protocol):
    """A recipe that is learnt by an objective of its own, and not by one number or class a sample."""

    def make_objective(self, info: ManifestInfo) -> Objective:
        """Make the objective of a manifest.

        Raises:
            ConfigError, MissingLabel: there is nothing to learn in it.
        """
        ...

    def objective_from_state(self, state: Mapping[str, str | float | int]) -> Objective:
        """Make the objective again that its ``state_dict`` described.

        Raises:
            CheckpointCorrupt: it does not describe one.
        """
        ...
