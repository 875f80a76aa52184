"""What a recipe is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from penstock.manifest import ManifestInfo
from penstock.records import Figure
from penstock.tasks.protocols import Answers

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn
    from torch.optim import Optimizer

    from penstock.loader.protocols import Batch, BatchLoader
    from penstock.recipes.objectives import Objective

__all__ = [
    "ByModel",
    "OwnFeed",
    "OwnInputs",
    "OwnObjective",
    "OwnOptimisers",
    "OwnStep",
    "Recipe",
    "TriesOut",
    "Update",
    "Watcher",
    "Watches",
]

Update = Callable[..., float]
"""``update(loss, *optimisers)``: they make a step down the gradient of the loss, which is clipped; gives the loss."""


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
class OwnFeed(Protocol):
    """A recipe whose batches are made of samples otherwise than so many of them, such as sequences packed of texts."""

    def fed(self, loader: BatchLoader, info: ManifestInfo, *, batch_size: int, is_trained: bool) -> BatchLoader:
        """Return batches that are made of a loader's.

        What they keep between batches lies in ``state_dict``, or a run that is resumed differs.

        Args:
            loader: of a split, in batches of ``batch_size`` samples as the task collates them.
            info: of the manifest.
            is_trained: whether they are learnt from; else they are scored.
        """
        ...

    def expected_samples(self, manifest: Path, info: ManifestInfo, num_samples: int) -> int:
        """Return about how many of those that ``batch_size`` counts there are in an epoch, for the schedule."""
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


@runtime_checkable
class OwnInputs(Protocol):
    """A recipe whose networks take a tree of tensors, and not one of the samples' shape."""

    def zeros(self, num_samples: int, *, shape: Sequence[int]) -> Any:
        """Return the inputs of some samples that are nothing but zeros, by which a network is tried out."""
        ...


@runtime_checkable
class OwnOptimisers(Protocol):
    """A recipe that is not learnt by AdamW over all parameters."""

    def make_optimisers(self, model: nn.Module, *, learning_rate: float, weight_decay: float) -> Sequence[Optimizer]:
        """Make them, each parameter in one at most; the schedule multiplies the learning rates that they have here."""
        ...


@runtime_checkable
class OwnStep(Protocol):
    """A recipe whose training is more than one loss of one batch, such as two networks that learn from each other."""

    def training_step(
        self, model: nn.Module, batch: Mapping[str, Any], optimisers: Sequence[Optimizer], update: Update
    ) -> tuple[float, int]:
        """Learn from a batch; give the loss to be told, and how many samples it is the mean of.

        What it keeps between steps must lie in the network's ``state_dict``, or a run that is resumed differs.

        Args:
            batch: on the network's device.
            update: has optimisers make a step; see ``Update``.
        """
        ...


@runtime_checkable
class ByModel(Protocol):
    """A recipe whose networks are not all trained alike: some have optimisers or a training step of their own."""

    def for_model(self, name: str) -> Recipe:
        """Return the recipe that a network is trained by."""
        ...


class Watcher(Protocol):
    """Sees an evaluation go by, and has figures drawn of it: images with their maps, frames with captions."""

    def see(self, batch: Batch, outputs: Any) -> None:
        """Look at a batch and what the network gave for it, both on the network's device.

        What is held on to of it must be bounded: a split may have millions of samples.
        """
        ...

    def figures(self, answers: Answers) -> Sequence[Figure]:
        """Return figures, when the split was seen whole; what is too large of them is thinned out."""
        ...


@runtime_checkable
class TriesOut(Watcher, Protocol):
    """A watcher that has the network do more than answer, such as go on with texts."""

    def try_out(self, model: nn.Module, codec: str) -> None:
        """Have it do so, when the split was seen whole and before figures are asked for.

        Args:
            model: on the device that it is on.
            codec: of the split's first extent.
        """
        ...


@runtime_checkable
class Watches(Protocol):
    """A recipe that has figures drawn of what its networks see and give, and not of their answers alone."""

    def watch(self, info: ManifestInfo) -> Watcher:
        """Begin to look at the evaluation of a split of a manifest."""
        ...
