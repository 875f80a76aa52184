"""The kept part of a window whose stream reads parts several times: the part that is read, and the one after it.

Each has a half, by turns. The next part is fetched into the other half while one is read; when all readers are past a
part, its half is the next but one's. So a part is fetched once, however often it is read, and the window holds two.
What finds no room in its part's half streams, and is fetched as often as it is read.

A prefetcher that comes back finds in each half the extents of the part that belongs there, or lets go of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import ManifestInfo
from penstock.plan import WindowPart, parts_from, window_extents
from penstock.records import Order, StreamSpec
from penstock.window.kept import NOT_KEPT, KeptArea, kept_area_bytes

__all__ = ["KeptParts", "bytes_to_keep", "kept_places", "repeats", "what_is_kept"]

NUM_HALVES = 2
_PAGE_BYTES = 4096


def repeats(order: Order) -> bool:
    """Tell whether a stream reads parts several times."""
    return any(segment.repeat is not None for segment in order.segments)


def what_is_kept(order: Order, info: ManifestInfo) -> dict[str, int]:
    """Return ``num_extents`` and about ``total_bytes`` of what a kept part is for: everything, or the largest part."""
    sizes = [info.split(segment.split).size_bytes for segment in order.segments]
    if not repeats(order):
        return {"num_extents": order.num_extents, "total_bytes": sum(sizes)}
    found = [(0, 0)]
    for segment, size_bytes in zip(order.segments, sizes, strict=True):
        if segment.repeat is not None:
            num_extents = min(segment.repeat.part_extents, segment.num_rows)
            found.append((num_extents, size_bytes * num_extents // max(1, segment.num_rows)))
    num_extents, total_bytes = max(found)
    return {"num_extents": num_extents, "total_bytes": total_bytes}


def bytes_to_keep(spec: StreamSpec, info: ManifestInfo) -> int:
    """Return what it takes to keep all that is read again: two parts at most, or everything; 0 where nothing is."""
    wanted = what_is_kept(spec.order, info)
    if repeats(spec.order):
        wanted["total_bytes"] = max(wanted["total_bytes"], wanted["num_extents"] * info.max_extent_bytes)
        return NUM_HALVES * (kept_area_bytes(**wanted) + _PAGE_BYTES)
    return kept_area_bytes(**wanted) if spec.end_index > window_extents(spec.order) else 0


def kept_places(order: Order, offset: int, size_bytes: int) -> list[tuple[int, int]]:
    """Return where kept parts begin and end in the file of slots: two halves, where parts are read several times."""
    end = offset + size_bytes
    if not repeats(order):
        return [(offset, end)]
    middle = offset + size_bytes // NUM_HALVES // _PAGE_BYTES * _PAGE_BYTES
    return [(offset, middle), (middle, end)]


class KeptParts:
    """The halves, as the prefetcher uses them.

    Args:
        halves: in the order in which they lie.
        order: of the stream.
        start: window index that it begins at.
        settled: gives the window index below which nothing is read or on its way any more.

    Attributes:
        mapped: the whole file of slots.
    """

    def __init__(self, halves: Sequence[KeptArea], order: Order, *, start: int, settled: Callable[[], int]) -> None:
        self.mapped = halves[0].mapped
        self._halves, self._order, self._settled = halves, order, settled
        self._held: dict[int, WindowPart] = {}
        self._coming: list[WindowPart] = []
        for part in itertools.islice(parts_from(order, start), NUM_HALVES):
            self._give_half(part)

    @property
    def kept_bytes(self) -> int:
        """Bytes of the extents that have a place."""
        return sum(half.kept_bytes for half in self._halves)

    def limit(self, cursor: int, *, at_least: int) -> int:
        """Return the window index up to which may be fetched: the next part's end.

        Args:
            cursor: window index of the reader that is furthest behind.
            at_least: extents that must be in the window at once.
        """
        if not self._coming or cursor >= self._coming[0].end_index:
            self._coming = list(itertools.islice(parts_from(self._order, cursor), NUM_HALVES))
        return max(cursor + at_least, *(part.end_index for part in self._coming))

    def offer(
        self, rows: NDArray[np.int64], extent_bytes: NDArray[np.int64], *, first_index: int = 0
    ) -> NDArray[np.int64]:
        """Return the places of manifest rows, taking them for those that are to be kept; NOT_KEPT streams one.

        Args:
            rows: in the order of the stream, shape (extents,).
            extent_bytes: their sizes, shape (extents,).
            first_index: window index of the first one.

        Returns:
            offsets in the file of slots, shape (extents,).
        """
        places = np.full(len(rows), NOT_KEPT, dtype=np.int64)
        end_index = first_index + len(rows)
        for part in parts_from(self._order, first_index):
            if part.first_index >= end_index:
                break
            half = self._half_of(part)
            if half is not None:
                mine = slice(max(part.first_index - first_index, 0), part.end_index - first_index)
                places[mine] = half.offer(rows[mine], extent_bytes[mine])
        return places

    def found(self, offset: int) -> int | None:
        """Return the checksum of the extent at a place if it is there and whole, otherwise None."""
        return self._half_at(offset).found(offset)

    def complete(self, offset: int, found: int) -> None:
        """Note that the extent at a place is whole, with its checksum."""
        self._half_at(offset).complete(offset, found)

    def _half_at(self, offset: int) -> KeptArea:
        return self._halves[sum(half.first_offset <= offset for half in self._halves) - 1]

    def _half_of(self, part: WindowPart) -> KeptArea | None:
        """Return the half of a part; None where another part's extents are still read there."""
        number = part.number % NUM_HALVES
        held = self._held.get(number)
        if held is not None and held.number != part.number and held.end_index > self._settled():
            return None
        if held is None or held.number != part.number:
            self._give_half(part)
        return self._halves[number]

    def _give_half(self, part: WindowPart) -> None:
        half = self._halves[part.number % NUM_HALVES]
        if not half.holds_only(part.first_row, part.end_row):
            half.clear()
        self._held[part.number % NUM_HALVES] = part
