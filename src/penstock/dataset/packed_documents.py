"""The documents of a packed dataset, in this rank's order, with their lanes."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from penstock.dataset.member_feed import Feed
from penstock.dataset.mixed_loader import MixedLoader
from penstock.dataset.proportions import settled
from penstock.errors import CheckpointMismatch
from penstock.stream.face import Stream

__all__ = ["Documents", "MixDocuments", "StreamDocuments", "Taken"]


class Taken(NamedTuple):
    """A document.

    Attributes:
        value: what stands for one that is left out, or the document.
        passed: stream index behind it; 0 where there are none that another number of ranks could go on from.
    """

    lane: int
    value: Any
    passed: int


class Documents(Protocol):
    """Documents of this rank, epoch after epoch."""

    @property
    def num_documents(self) -> int:
        """Documents of an epoch, of all ranks."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch that the next document is of."""
        ...

    def take(self) -> Taken:
        """Return the next document."""
        ...

    def begin(self, epoch: int) -> None:
        """Go to the beginning of an epoch."""
        ...

    def state(self) -> dict[str, Any]:
        """Return the position."""
        ...

    def load(self, states: Sequence[Any], *, is_alike: bool) -> None:
        """Take up positions that all ranks saved; as many as there are now where they are alike, this one's alone."""
        ...


class StreamDocuments:
    """Those of one dataset.

    Args:
        num_lanes: that positions of an epoch are dealt out to.
    """

    def __init__(self, stream: Stream, num_lanes: int) -> None:
        self._stream, self._num_lanes = stream, num_lanes
        self._feed = Feed(stream)
        self._rank, self._world_size = stream.ranks.rank, stream.ranks.world_size
        self._size = stream.num_samples
        self._position = 0

    @property
    def num_documents(self) -> int:
        """Documents of an epoch, of all ranks."""
        return self._size

    @property
    def epoch(self) -> int:
        """The epoch that the next document is of."""
        return self._position // self._size

    def take(self) -> Taken:
        """Return the next document."""
        position = self._position
        if not self._feed.has(position):
            self._feed.fetch(position)
        value = self._feed.take()
        self._position = settled(position + self._world_size, size=self._size, world_size=self._world_size)
        return Taken((position % self._size + self._rank) % self._num_lanes, value, position + self._rank + 1)

    def begin(self, epoch: int) -> None:
        """Go to the beginning of an epoch."""
        self._position = epoch * self._size

    def state(self) -> dict[str, Any]:
        """Return the position."""
        return {**self._stream.state_dict(), "next_index": self._position}

    def load(self, states: Sequence[Any], *, is_alike: bool) -> None:
        """Take up the earliest of the positions, where a batch of as many ranks as now begins."""
        for each in states:
            self._stream.load_state_dict(each)
        first = min(int(each["next_index"]) for each in states)
        epoch, place = divmod(first, self._size)
        place -= place % self._world_size
        self._position = settled(epoch * self._size + place, size=self._size, world_size=self._world_size)


class MixDocuments:
    """Those of a mix, whose turns are of this number of ranks alone: each rank is a lane."""

    def __init__(self, loader: MixedLoader) -> None:
        self._loader, self._rank = loader, loader.ranks.rank
        self._batches: Iterator[Any] | None = None
        self._values: deque[Any] = deque()
        self._before = loader.state_dict()
        self._given = 0

    @property
    def num_documents(self) -> int:
        """Documents of an epoch, of all ranks."""
        return self._loader.num_samples

    @property
    def epoch(self) -> int:
        """The epoch that the next document is of."""
        return int(self._before["epoch"]) if self._values else self._loader.epoch

    def take(self) -> Taken:
        """Return the next document."""
        while not self._values:
            self._fetch()
        self._given += 1
        return Taken(self._rank, self._values.popleft(), 0)

    def begin(self, epoch: int) -> None:
        """Go to the beginning of an epoch."""
        self._values.clear()
        self._loader.set_epoch(epoch)
        self._batches, self._given = None, 0
        self._before = {**self._loader.state_dict(), "epoch": epoch}
        self._before["passed"] = [0] * len(self._before["passed"])
        self._loader.load_state_dict(self._before)

    def state(self) -> dict[str, Any]:
        """Return the position: before the documents that were fetched last, and how many of them were taken."""
        if not self._values:
            return {"mixed": self._loader.state_dict(), "taken": 0}
        return {"mixed": self._before, "taken": self._given}

    def load(self, states: Sequence[Any], *, is_alike: bool) -> None:
        """Take up this rank's position."""
        if not is_alike:
            raise CheckpointMismatch(
                "the saved position is of a packed mix and another number of ranks",
                fix="go on with as many ranks: whose turn it is in a mix follows from their number",
            )
        (state,) = states
        taken = state.get("taken") if isinstance(state, Mapping) else None
        if not isinstance(taken, int) or taken < 0:
            raise CheckpointMismatch(
                "the saved position is of no packed mix", fix="give what state_dict() gave, as it was"
            )
        self._loader.load_state_dict(state["mixed"])
        self._values.clear()
        self._batches, self._before, self._given = None, dict(state["mixed"]), 0
        while taken > self._given:
            self.take()

    def _fetch(self) -> None:
        while True:
            if self._batches is None:
                self._batches = iter(self._loader)
            self._before = self._loader.state_dict()
            packed = next(self._batches, None)
            if packed is not None:
                self._values = deque(pickle.loads(packed))  # noqa: S301 - packed by this process
                self._given = 0
                return
            self._batches = None
