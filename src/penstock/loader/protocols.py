"""What a training loop needs of a loader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch.utils.data._utils.pin_memory import pin_memory

from penstock.records import Meters

__all__ = ["Batch", "BatchLoader", "LoaderState", "on_device"]

LoaderState = dict[str, int | str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Samples that are learnt from together.

    Attributes:
        data: a tree of tensors and whatever else, by name: ``inputs``, which the network is given, ``targets`` where
            there are some, and what else the task has an objective see.
        keys: names of the samples.
        groups: groups of the samples.
    """

    data: Mapping[str, Any]
    keys: tuple[str, ...]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def pin_memory(self) -> Batch:
        """Return a copy in page-locked memory, from which a GPU is fed without waiting; asked for by torch."""
        return replace(self, data=pin_memory(self.data))  # type: ignore[no-untyped-call]


def on_device(tree: Any, device: torch.device) -> Any:
    """Return a tree of dictionaries, lists and tuples with its tensors on a device."""
    if isinstance(tree, torch.Tensor):
        return tree.to(device, non_blocking=True)
    if isinstance(tree, Mapping):
        return {name: on_device(each, device) for name, each in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(on_device(each, device) for each in tree))
    if isinstance(tree, list | tuple):
        return type(tree)(on_device(each, device) for each in tree)
    return tree


class BatchLoader(Protocol):
    """Batches of one split, epoch after epoch, whose position can be saved and taken up again."""

    @property
    def num_samples(self) -> int | None:
        """Samples of one epoch that this rank is given; None in the first one of a listing that goes on."""
        ...

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Return the batches of an epoch, from the position of the loaded state if that lies in it.

        Raises:
            PenstockError: the data failed; raised at the batch that it belongs to.
        """
        ...

    def state_dict(self) -> LoaderState:
        """Return the position after the last batch that was given, for ``load_state_dict`` of an equal loader."""
        ...

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved position.

        Raises:
            CheckpointMismatch: the state is of another plan, batch size or split.
        """
        ...

    def traffic(self) -> dict[str, Meters]:
        """Return what was requested so far in all attempts, by the ids that it is counted under."""
        ...

    def meters(self) -> Meters:
        """Return what was moved so far, ``traffic`` included."""
        ...

    def close(self) -> None:
        """Stop workers and let go of the data."""
        ...
