"""The kept part of a window: extents that are fetched once and read again in every epoch.

An extent is read once an epoch, so no order and no eviction rule beats keeping a fixed set: once K of D bytes are kept,
an epoch downloads D - K. Which extents are kept is decided by a hash of their
row, so that they lie evenly in any order and the link is never idle for long; each takes its place when the stream
first comes to it, until the part is full, and stays.

The part lies behind the slots in the same file: an index of 40 bytes an extent, then the extents' bytes. An index
entry is RESERVED before the first byte and READY after the last; a prefetcher that comes back checks an entry's
bytes before it uses them for the first time.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from penstock.plan.permutation import GOLDEN, scramble
from penstock.window.layout import checksum

__all__ = ["KEPT_ENTRY", "NOT_KEPT", "KeptArea", "align", "kept_area_bytes", "kept_entries"]

NOT_KEPT = -1
ALIGNMENT_BYTES = 64
KEPT_ENTRY = np.dtype([("row", "<u8"), ("offset", "<u8"), ("data_bytes", "<u8"), ("checksum", "<u8"), ("state", "<u8")])
Size = TypeVar("Size", int, NDArray[np.int64])
_WORD = (1 << 64) - 1


class _State(IntEnum):
    EMPTY = 0
    RESERVED = 1
    READY = 2


def align(size: Size) -> Size:
    """Return the next multiple of 64 bytes, of one size or of an array of them."""
    return -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def kept_area_bytes(*, num_extents: int, total_bytes: int) -> int:
    """Return a size that holds all of ``num_extents`` extents of together ``total_bytes``, index included."""
    return align(num_extents * KEPT_ENTRY.itemsize) + total_bytes + num_extents * ALIGNMENT_BYTES


def kept_entries(size_bytes: int, *, num_extents: int, total_bytes: int) -> int:
    """Return how many entries the index of a kept part of ``size_bytes`` has, KEPT_ENTRY each, at its beginning."""
    mean_bytes = max(1.0, total_bytes / max(1, num_extents))
    each_bytes = mean_bytes + KEPT_ENTRY.itemsize + ALIGNMENT_BYTES / 2
    num_entries = min(num_extents, math.ceil(size_bytes / each_bytes * 1.1) + 16) if size_bytes else 0
    return num_entries if align(num_entries * KEPT_ENTRY.itemsize) < size_bytes else 0


class KeptArea:
    """The kept part, as the prefetcher uses it.

    Args:
        mapped: the whole file of slots.
        offset: where the part begins in it.
        size_bytes: its size; 0 keeps nothing.
        num_extents: extents of one epoch.
        total_bytes: their bytes together.
        share_left: of the epoch, in which the part is to be filled.

    Attributes:
        mapped: the whole file of slots.
        first_offset: in it, of the first extent's place.
    """

    def __init__(
        self,
        mapped: memoryview,
        *,
        offset: int,
        size_bytes: int,
        num_extents: int,
        total_bytes: int,
        share_left: float = 1.0,
    ) -> None:
        self.mapped = mapped
        num_entries = kept_entries(size_bytes, num_extents=num_extents, total_bytes=total_bytes)
        index_bytes = align(num_entries * KEPT_ENTRY.itemsize)
        self._entries: NDArray[np.void] = np.frombuffer(mapped, dtype=KEPT_ENTRY, count=num_entries, offset=offset)
        self._next_offset = self.first_offset = offset + index_bytes
        self._end_offset = offset + size_bytes
        left = max(share_left, 1 / max(1, num_extents))
        share = (size_bytes - index_bytes) / max(1.0, total_bytes * left)
        self._threshold = _threshold(share, math.ceil(num_extents * left))
        self._by_row: dict[int, int] = {}
        self._by_offset: dict[int, int] = {}
        self._ready: set[int] = set()
        self._load()
        if self._by_row:  # an earlier process may have had less of an epoch to fill it in
            highest = int(_mix(np.fromiter(self._by_row, np.int64, len(self._by_row))).max())
            self._threshold = max(self._threshold, highest + 1)

    @property
    def kept_bytes(self) -> int:
        """Bytes of the extents that have a place."""
        return int(self._entries["data_bytes"][: len(self._by_row)].sum())

    def offer(
        self, rows: NDArray[np.int64], extent_bytes: NDArray[np.int64], *, first_index: int = 0
    ) -> NDArray[np.int64]:
        """Return the places of manifest rows, taking them for those that are to be kept; NOT_KEPT streams one.

        Args:
            rows: in the order of the stream, shape (extents,).
            extent_bytes: their sizes, shape (extents,).
            first_index: window index of the first one, on which nothing depends here.

        Returns:
            offsets in the file of slots, shape (extents,).
        """
        places = np.full(len(rows), NOT_KEPT, dtype=np.int64)
        if len(self._entries) and self._threshold:
            chosen = np.flatnonzero((_mix(rows) <= np.uint64(self._threshold - 1)) & (extent_bytes > 0))
            places[chosen] = [
                self._offer(row, size)
                for row, size in zip(rows[chosen].tolist(), extent_bytes[chosen].tolist(), strict=True)
            ]
        return places

    def _offer(self, row: int, size_bytes: int) -> int:
        number = self._by_row.get(row)
        if number is not None:
            return int(self._entries[number]["offset"])
        number, end = len(self._by_row), self._next_offset + align(size_bytes)
        if number >= len(self._entries) or end > self._end_offset:
            return NOT_KEPT
        offset, self._next_offset = self._next_offset, end
        entry = self._entries[number]
        entry["row"], entry["offset"], entry["data_bytes"] = row, offset, size_bytes
        entry["state"] = _State.RESERVED
        self._by_row[row] = self._by_offset[offset] = number
        return offset

    def holds_only(self, first_row: int, end_row: int) -> bool:
        """Tell whether all that has a place is of a range of rows."""
        return all(first_row <= row < end_row for row in self._by_row)

    def clear(self) -> None:
        """Let go of everything; nobody may be about any of it any more."""
        self._entries["state"] = _State.EMPTY
        self._by_row, self._by_offset, self._ready = {}, {}, set()
        self._next_offset = self.first_offset

    def place(self, offset: int) -> memoryview:
        """Return the bytes of a place."""
        size = int(self._entries[self._by_offset[offset]]["data_bytes"])
        return self.mapped[offset : offset + size]

    def found(self, offset: int) -> int | None:
        """Return the checksum of the extent at a place if it is there and whole, otherwise None."""
        number = self._by_offset[offset]
        entry = self._entries[number]
        if entry["state"] != _State.READY:
            return None
        if number not in self._ready:
            if checksum(self.place(offset)) != entry["checksum"]:
                entry["state"] = _State.RESERVED
                return None
            self._ready.add(number)
        return int(entry["checksum"])

    def complete(self, offset: int, found: int) -> None:
        """Note that the extent at a place is whole, with its checksum."""
        number = self._by_offset[offset]
        self._entries[number]["checksum"] = found
        self._entries[number]["state"] = _State.READY
        self._ready.add(number)

    def _load(self) -> None:
        """Take over what an earlier process kept: places follow one another, so one that does not ends what is sound.

        What a power cut left of the index could otherwise have two extents share a place.
        """
        for number, entry in enumerate(self._entries):
            offset, end = int(entry["offset"]), int(entry["offset"]) + align(int(entry["data_bytes"]))
            known = entry["state"] in (_State.RESERVED, _State.READY) and int(entry["row"]) not in self._by_row
            if not known or offset != self._next_offset or end > self._end_offset:
                self._entries[number:]["state"] = _State.EMPTY
                return
            self._by_row[int(entry["row"])] = self._by_offset[offset] = number
            self._next_offset = end


def _threshold(share: float, num_extents: int) -> int:
    """Return hash below which a row is kept: the share that fits, and three deviations more so that it is filled."""
    if share >= 1:
        return _WORD + 1
    spare = 3 * math.sqrt(max(share, 0) * (1 - share) / max(1, num_extents))
    return int(min(1.0, share * 1.02 + spare) * _WORD)


def _mix(rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Scramble row numbers to 64 bits."""
    return scramble((rows.astype(np.uint64) + np.uint64(1)) * GOLDEN)
