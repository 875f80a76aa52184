"""The rows of one shard, from any of them on."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn, Protocol, Self

import msgspec
import numpy as np

from penstock.errors import DataError, StreamMisused
from penstock.loader.failures import Failed, add_note
from penstock.manifest import Extent, Span, sample_key
from penstock.ranges import Asked, RangeReader
from penstock.stream.epochs import Nothing
from penstock.units import MIB

__all__ = ["Extents", "Reading", "ShardRows"]

MOST_AHEAD: Final = 32
"""Requests that are made before their turn; none before the first extent has ended, then twice as many each time."""
TOGETHER_BYTES: Final = 1 * MIB
"""That neighbours are asked for by one request up to."""
MOST_AHEAD_BYTES: Final = 64 * MIB


class Reading(Protocol):
    """How rows are read and made."""

    @property
    def ranges(self) -> RangeReader:
        """Reads bytes."""
        ...

    @property
    def decode(self) -> Callable[..., Sequence[Any]]:
        """Makes rows of them."""
        ...

    @property
    def change(self) -> Callable[[Any], Any] | None:
        """Makes another value of a row, or nothing."""
        ...

    def note_error(self, error: BaseException) -> None:
        """Take note of what ended a shard."""
        ...


Extents = Iterator[tuple[Extent, int]]
"""Extents of a shard in order, each with the number of the first of its rows that is wanted."""


class ShardRows(Iterator[Any]):
    """Rows of a shard, in their order; a context manager, and closed when it has ended or failed.

    Threads that share it are given a row each in turn.

    Nothing is read before the first row is asked for, and then the extent that holds it alone (a row group, a block of
    lines, a member); from the second one on others are read ahead, by up to 32 requests and 64 MiB, neighbours by one.

    Attributes:
        name: of the shard.
        row: number, 0-based, of the next row as it is stored; what ``filter`` leaves out is counted.
    """

    def __init__(self, reading: Reading, name: str, extents: Extents, row: int) -> None:
        self.name, self.row = name, row
        self._reading: Reading | None = reading
        self._extents = extents
        self._ahead: deque[tuple[list[tuple[Extent, int]], Asked]] = deque()
        self._held: deque[tuple[Extent, int, memoryview]] = deque()
        self._next_extent: tuple[Extent, int] | None = None
        self._depth = 0
        self._extent: Extent | None = None
        self._values: Sequence[Any] = ()
        self._first = self._next = 0
        self._turn = threading.RLock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._turn:
            return self._row()

    def _row(self) -> Any:
        reading = self._reading
        if reading is None:
            raise StopIteration
        try:
            while self._next < len(self._values) or self._open_next(reading):
                value = self._take(reading)
                if not isinstance(value, Nothing):
                    return value
        except BaseException as error:
            self.close()
            reading.note_error(error)
            told = Failed.of(error).error
            if told is error:
                raise
            raise told from error
        self.close()
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def __repr__(self) -> str:
        return f"<ShardRows of {self.name}, at row {self.row}{', closed' if self._reading is None else ''}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise StreamMisused(
            "a shard that is open cannot be pickled or copied", fix="open it where it is read, with open_shard_at_row"
        )

    def close(self) -> None:
        """Let go of what was read; nothing comes after."""
        reading, self._reading = self._reading, None
        if reading is not None:
            for _, asked in self._ahead:
                reading.ranges.forget(asked)
            self._ahead.clear()
            self._held.clear()
            self._values, self._next = (), 0

    def _open_next(self, reading: Reading) -> bool:
        """Read the next extent; tell whether there is one."""
        self._extent, self._values, self._first, self._next = None, (), 0, 0
        if not self._held and not self._receive(reading):
            return False
        extent, first, data = self._held.popleft()
        numbers = np.arange(first, extent.num_samples)
        try:
            values = reading.decode(data, extent, extent.codec, numbers)
        except Exception as error:
            self._name(error, extent.key, "decode of")
            raise
        if len(values) != len(numbers):
            raise DataError(
                f"{len(values)} rows were decoded of {extent.key}, not the {len(numbers)} that were listed",
                fix="list the dataset again",
                about=extent.key,
            )
        self._extent, self._values, self._first = extent, values, first
        return True

    def _receive(self, reading: Reading) -> bool:
        """Have the bytes of the next extents; tell whether there are some."""
        self._ask_ahead(reading)
        if not self._ahead:
            return False
        extents, asked = self._ahead.popleft()
        data, begin = reading.ranges.take(asked), 0
        for extent, first in extents:
            self._held.append((extent, first, data[begin : begin + extent.size_bytes]))
            begin += extent.size_bytes
        return True

    def _ask_ahead(self, reading: Reading) -> None:
        """Ask for the next extents, and for more where several were read already."""
        held = sum(asked.size_bytes for _, asked in self._ahead)
        while len(self._ahead) <= self._depth and (not self._ahead or held < MOST_AHEAD_BYTES):
            together = self._together()
            if not together:
                break
            asked = reading.ranges.ask(joined([span for extent, _ in together for span in extent.spans]))
            self._ahead.append((together, asked))
            held += asked.size_bytes
        self._depth = min(MOST_AHEAD, max(1, 2 * self._depth))

    def _together(self) -> list[tuple[Extent, int]]:
        """Return the next extents that are asked for at once: neighbours, where some were read already."""
        found: list[tuple[Extent, int]] = []
        size = 0
        while True:
            if self._next_extent is None:
                self._next_extent = next(self._extents, None)
            if self._next_extent is None:
                return found
            extent = self._next_extent[0]
            size += extent.size_bytes
            if found and not (self._depth and size <= TOGETHER_BYTES and _touch(found[-1][0], extent)):
                return found
            found.append(self._next_extent)
            self._next_extent = None
            if len(found) > self._depth * MOST_AHEAD:
                return found

    def _take(self, reading: Reading) -> Any:
        """Return the next row, or what stands for one that is left out."""
        assert self._extent is not None
        number, place = self._first + self._next, self._next
        try:
            value = self._values[place]
            found = value if reading.change is None else reading.change(value)
        except Exception as error:
            self._name(error, sample_key(self._extent, number), "row")
            raise
        self._next, self.row = place + 1, self.row + 1
        return found

    def _name(self, error: Exception, key: str, what: str) -> None:
        """Say with an error where it was met."""
        add_note(error, f"penstock: {what} {key!r}, of the shard {self.name!r}, row {self.row} (from 0)")
        if isinstance(error, DataError):
            error.name(key)


def _touch(one: Extent, other: Extent) -> bool:
    """Tell whether one extent begins in its object where another ends."""
    return bool(one.spans and other.spans) and _goes_on(one.spans[-1], other.spans[0])


def _goes_on(one: Span, other: Span) -> bool:
    is_same = (one.object, one.version, one.object_bytes) == (other.object, other.version, other.object_bytes)
    return is_same and one.offset + one.length_bytes == other.offset


def joined(spans: Sequence[Span]) -> list[Span]:
    """Return spans of the same bytes in their order, neighbours as one."""
    found: list[Span] = []
    for span in spans:
        if found and _goes_on(found[-1], span):
            length = found[-1].length_bytes + span.length_bytes
            found[-1] = msgspec.structs.replace(found[-1], length_bytes=length)
        else:
            found.append(span)
    return found
