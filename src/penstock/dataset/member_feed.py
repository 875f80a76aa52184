"""The samples of one member of a mix, by their positions in its endless order."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from penstock.dataset.proportions import settled
from penstock.loader.protocols import LoaderState
from penstock.plan.ranks import Ranks

__all__ = ["CHUNK", "Endless", "Feed", "pack"]

CHUNK = 16
"""Samples that a member gives at a time, at most: no more than a batch has, and than its window holds."""


def pack(values: list[Any]) -> bytes:
    """Return values as bytes: they may be views of the window, and tensors would each take a file of shared memory."""
    return pickle.dumps(values, pickle.HIGHEST_PROTOCOL)


class Endless(Protocol):
    """A member's samples, epoch after epoch: a ``Stream``, or what is like one."""

    @property
    def num_samples(self) -> int:
        """Samples of one epoch."""
        ...

    @property
    def ranks(self) -> Ranks:
        """Who reads."""
        ...

    def state_dict(self) -> LoaderState:
        """Return the position."""
        ...

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a position."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Go on to the end of the epoch."""
        ...


class Feed:
    """Gives this rank's samples of a member.

    Args:
        stream: of the member, whose batches are packed and have something in the place of each sample.
    """

    def __init__(self, stream: Endless) -> None:
        self._stream, self._size, self.world_size = stream, stream.num_samples, stream.ranks.world_size
        self._chunk = int(stream.state_dict()["batch_size"]) // self.world_size
        self._batches: Iterator[Any] = iter(())
        self._values: deque[Any] = deque()
        self._next = -1

    def has(self, position: int) -> bool:
        """Whether ``take`` gives the sample there at once."""
        return position == self._next and bool(self._values)

    def fetch(self, position: int) -> None:
        """Have the samples from a position on: of this rank, that among as many as there are ranks.

        Raises:
            PenstockError: the member failed.
        """
        try:
            if position != self._next:
                self._stream.load_state_dict({**self._stream.state_dict(), "next_index": position})
                self._batches = iter(self._stream)
            packed = next(self._batches, None)
            if packed is None:
                self._batches = iter(self._stream)
                packed = next(self._batches)
        except BaseException:
            self._next = -1
            self._values.clear()
            raise
        # At an epoch's end some ranks have a sample more, which is of no mix.
        number = min(self._chunk, (self._size - position % self._size) // self.world_size)
        self._values = deque(pickle.loads(packed)[:number])  # noqa: S301 - of this process's own workers
        self._next = position

    def take(self) -> Any:
        """Return the next sample, or what stands for one that is left out."""
        self._next = settled(self._next + self.world_size, size=self._size, world_size=self.world_size)
        return self._values.popleft()
