"""The rows of one shard, from any of them on."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, Protocol, Self

import numpy as np

from penstock.dataset.shard_ahead import Feed, Held
from penstock.errors import DataError, StreamMisused
from penstock.loader.failures import Failed, add_note
from penstock.manifest import Extent, sample_key
from penstock.stream.epochs import Nothing

__all__ = ["Reading", "ShardRows"]


class Reading(Protocol):
    """How rows are made."""

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


class ShardRows(Iterator[Any]):
    """Rows of a shard, in their order; a context manager, and closed when it has ended or failed.

    Threads that share it are given a row each in turn.

    Nothing is read before the first row is asked for, and then nothing that lies before the extent that holds it (a row
    group, a block of lines, a member). Others are read ahead: three requests at first, of some MiB, then up to 32 and
    64 MiB, neighbours by one.

    Attributes:
        name: of the shard.
        row: number, 0-based, of the next row as it is stored; what ``filter`` leaves out is counted.
    """

    def __init__(self, reading: Reading, name: str, feed: Feed, row: int) -> None:
        self.name, self.row = name, row
        self._reading: Reading | None = reading
        self._feed = feed
        self._held: deque[Held] = deque()
        self._extent: Extent | None = None
        self._values: Iterator[Any] = iter(())
        self._first = self._end = 0
        """Rows of the shard: that which the extent begins with, and that behind it."""
        self._turn = threading.RLock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._turn:
            reading = self._reading
            if reading is None:
                raise StopIteration
            try:
                while self.row < self._end or self._open_next(reading):
                    value = self._take(reading.change)
                    if not isinstance(value, Nothing):
                        return value
            except BaseException as error:
                self.close()
                reading.note_error(error)
                told = Failed.of(error).error
                try:
                    if told is error:
                        raise
                    raise told from error
                finally:
                    del told  # else the error holds this frame, and so the shards, until garbage is looked for
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
            self._feed.close()
            self._held.clear()
            self._values, self._end = iter(()), self.row

    def _open_next(self, reading: Reading) -> bool:
        """Read the next extent that has rows which are wanted; tell whether there is one."""
        self._extent, self._values = None, iter(())
        while self.row >= self._end:
            if not self._held:
                self._held.extend(self._feed.take())
            if not self._held:
                return False
            self._decode(reading, *self._held.popleft())
        return True

    def _decode(self, reading: Reading, extent: Extent, first: int, data: memoryview) -> None:
        numbers = np.arange(first, extent.num_samples)
        try:
            values = reading.decode(data, extent, extent.codec, numbers)
        except Exception as error:
            self._name(error, extent.key, "decode of")
            raise
        self._check(extent, len(values), len(numbers))
        self._extent, self._values = extent, iter(values)
        self._first, self._end = self.row - first, self.row + len(numbers)

    def _take(self, change: Callable[[Any], Any] | None) -> Any:
        """Return the next row, or what stands for one that is left out."""
        try:
            for value in self._values:
                found = value if change is None else change(value)
                self.row += 1
                return found
        except Exception as error:
            assert self._extent is not None
            self._name(error, sample_key(self._extent, self.row - self._first), "row")
            raise
        assert self._extent is not None
        self._check(self._extent, self.row - self._first, self._end - self._first)
        raise AssertionError

    def _check(self, extent: Extent, num_rows: int, wanted: int) -> None:
        """See that there are as many rows of an extent as were listed."""
        if num_rows != wanted:
            raise DataError(
                f"{num_rows} rows were decoded of {extent.key}, not the {wanted} that were listed",
                fix="list the dataset again",
                about=extent.key,
            )

    def _name(self, error: Exception, key: str, what: str) -> None:
        """Say with an error where it was met."""
        add_note(error, f"penstock: {what} {key!r}, of the shard {self.name!r}, row {self.row} (from 0)")
        if isinstance(error, DataError):
            error.name(key)
