"""The samples of one member of a mix, one after the other, whose position can be saved between any two."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

from penstock.loader import LoaderState
from penstock.stream.epochs import NOTHING
from penstock.stream.face import Stream

__all__ = ["CHUNK", "Feed", "pack"]

CHUNK = 16
"""Samples that a member gives at a time, at most: no more than a batch has, and than its window holds."""


def pack(values: list[Any]) -> bytes:
    """Return values as bytes: they may be views of the window, and tensors would each take a file of shared memory."""
    return pickle.dumps(values, pickle.HIGHEST_PROTOCOL)


class Feed:
    """Gives a member's samples, round after round.

    Args:
        stream: of the member, whose batches are packed.
        size: samples of a round on this rank.
    """

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream, self._size = stream, size
        self._chunk = int(stream.state_dict()["batch_size"]) // stream._reading.ranks.world_size
        self._batches: Iterator[Any] | None = None
        self._start: LoaderState = {}
        self._values: list[Any] = []
        self._first = self._used = 0

    def begin(self, epoch: int) -> None:
        """Begin a round that is an epoch of the member."""
        self._stream._has_loaded = False
        self._stream.set_epoch(epoch)
        self._begin_round()

    @property
    def is_empty(self) -> bool:
        """Whether the next samples are to be had first, by ``next_chunk``."""
        return self._used == len(self._values)

    def take(self) -> Any:
        """Return the next sample, or what stands for one that is left out."""
        self._used += 1
        return self._values[self._used - 1]

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last sample."""
        return {"stream": self._start, "first": self._first, "used": self._used}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a saved position."""
        self._stream.load_state_dict(state["stream"])
        self._batches = iter(self._stream)
        self._start, self._first = state["stream"], state["first"]
        self._values, self._used = [], 0
        used = state["used"]
        while used:  # chunks may have been larger
            if self._used:
                self._first += self._used
                self._start = self._stream.state_dict()
            self._fill()
            self._used = min(used, len(self._values))
            used -= self._used

    def next_chunk(self) -> None:
        """Have the next samples, where there are none left.

        Raises:
            PenstockError: the member failed.
        """
        self._first += len(self._values)
        self._values, self._used = [], 0
        if self._first >= self._size:
            self._begin_round()
        self._start = self._stream.state_dict()
        self._fill()

    def _begin_round(self) -> None:
        self._batches = iter(self._stream)
        self._start = self._stream.state_dict()
        self._values, self._first, self._used = [], 0, 0

    def _fill(self) -> None:
        """Take the next samples; what is missing of them was left out, and what is more is of no rank's round."""
        assert self._batches is not None
        packed = next(self._batches, None)
        values = [] if packed is None else pickle.loads(packed)  # noqa: S301 - of this process's own workers
        expected = self._size - self._first if packed is None else min(self._chunk, self._size - self._first)
        self._values = values[:expected] + [NOTHING] * (expected - len(values))
