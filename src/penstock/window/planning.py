"""What comes next: the packs of a stream, looked up in the manifest many at a time.

A pack may hold at most half as many extents as the stream has given before it: the first ones are small, so that the
first batches need not wait for a whole slot. Nor may it have more bytes than a slot's share of the window, those in the
kept part included, of which a slot holds no more than heads: nothing of a pack is there before all of it is. None goes
on into the next epoch, nor into the next pass of a part that is read several times, where it would meet its extents
again. Where a pack ends depends on its first index alone, and on how the window is divided.

Of a manifest that is larger than its reader's cache, a chunk of rows costs the reading of most of the file however many
they are: chunks are large, and the next one is read in a thread while packs are made of the last.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import ExtentRows, ManifestReader
from penstock.plan import rows_between, turn_end
from penstock.records import Order
from penstock.window.cache import Cache
from penstock.window.geometry import SLOT_TAIL_BYTES
from penstock.window.heads import Heads
from penstock.window.kept import NOT_KEPT, KeptArea, align
from penstock.window.kept_parts import KeptParts
from penstock.window.packing import Pack, count_fitting, lay_out, room_for_gaps, too_large

__all__ = ["Planner"]

FIRST_PACK_EXTENTS = 8
LOOK_AHEAD_PACKS = 8
FEWEST_ROWS = 64
AHEAD_ROWS = 1024
"""Looked up at once after the first: a look-up costs as much as some 200 rows."""
MOST_PACK_EXTENTS = 65_536
LARGE_CHUNK_ROWS = 4096
"""Of a reader that wants as many rows asked for at once, chunks have the following sizes: half a GB, all in all."""
FIRST_ROWS, NEXT_ROWS = 65_536, 131_072
GROWTH = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """Rows of the manifest from a window index on, with their heads."""

    first: int
    rows: ExtentRows
    heads: Heads
    objects: Sequence[tuple[int, str]]
    """Objects that are larger than a slot, where the stream comes to them: window index and key."""

    @property
    def end(self) -> int:
        return self.first + len(self.rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chunk:
    """Rows, where each is kept, and what it takes in a slot, shape (rows,) each."""

    found: _Rows
    kept: NDArray[np.int64]
    slot_sizes: NDArray[np.int64]


class Planner:
    """Gives packs; to be closed before the manifest is.

    Args:
        order: of the stream.
        manifest: that its rows are of.
        kept: tells which extents are kept, and where.
        slot_bytes: size of a slot.
        pack_bytes: the most that a pack's extents have together, a slot's at least.
        grows_from: stream index from which packs begin small and grow; None begins with full ones.
        cache: in which extents may lie.
    """

    def __init__(
        self,
        order: Order,
        manifest: ManifestReader,
        kept: KeptArea | KeptParts,
        *,
        slot_bytes: int,
        pack_bytes: int,
        grows_from: int | None,
        cache: Cache | None = None,
    ) -> None:
        self._order = order
        self._manifest = manifest
        self._kept = kept
        self._slot_bytes = slot_bytes
        self._pack_bytes = pack_bytes
        self._grows_from = grows_from
        self._cache = cache
        self._pack_extents = FIRST_PACK_EXTENTS
        self._chunk: _Chunk | None = None
        self._has_large_objects = manifest.info.object_bytes > slot_bytes * manifest.info.num_objects
        self._has_neighbours = manifest.info.num_objects < manifest.info.num_extents
        self._is_large = manifest.chunk_rows >= LARGE_CHUNK_ROWS
        self._thread: ThreadPoolExecutor | None = None
        self._coming: tuple[int, Future[_Rows]] | None = None

    def keep_in(self, kept: KeptArea | KeptParts, *, pack_bytes: int) -> None:
        """Keep extents in another part, from the next pack on."""
        self._kept, self._pack_bytes = kept, pack_bytes
        if self._chunk is not None:
            self._chunk = self._settle(self._chunk.found)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def next(self, first_index: int, limit_index: int) -> Pack:
        """Return the pack that begins at a stream index and ends before ``limit_index``, or there.

        Raises:
            WindowTooSmall: an extent with its description is larger than a slot.
        """
        assert first_index < limit_index
        most = min(min(limit_index, turn_end(self._order, first_index)) - first_index, MOST_PACK_EXTENTS)
        if self._grows_from is not None:
            most = min(most, max(FIRST_PACK_EXTENTS, (first_index - self._grows_from) // 2))
        tried = min(most, max(FEWEST_ROWS, 2 * self._pack_extents))
        while True:
            chunk = self._find(first_index, min(limit_index, first_index + tried), limit_index)
            found, start = chunk.found, first_index - chunk.found.first
            count = self._count(chunk, slice(start, start + tried))
            if count < tried or tried == most:
                break
            tried = min(most, GROWTH * tried)
        if not count:
            needed = int(found.heads.added_bytes(slice(start, start + 1))[0] + chunk.slot_sizes[start])
            raise too_large(found.rows.keys[start], needed, self._slot_bytes)
        self._pack_extents = count
        if self._is_large and self._coming is None and start > len(found.rows) // 2 and found.end < limit_index:
            self._send_for(found.end - min(LOOK_AHEAD_PACKS * count, len(found.rows) // 4), limit_index)
        return lay_out(
            found.rows,
            found.heads,
            chunk.kept,
            first=start,
            count=count,
            first_index=first_index,
            slot_bytes=self._slot_bytes,
            cache=self._cache,
        )

    def _count(self, chunk: _Chunk, part: slice) -> int:
        """Return how many of some rows, from the first on, a pack may have; 0 where the first fits no slot."""
        added = chunk.found.heads.added_bytes(part)
        count = count_fitting(chunk.slot_sizes[part], added, slot_bytes=self._slot_bytes)
        ends = np.cumsum(chunk.found.rows.extent_bytes[part])
        return min(count, max(1, int(np.searchsorted(ends, self._pack_bytes, side="right"))))

    def coming(self, index: int, most: int) -> list[str]:
        """Return the objects that the stream comes to from an index on, as far as its rows are there; large ones."""
        if self._chunk is None:
            return []
        objects = self._chunk.found.objects
        at = max(0, bisect_right(objects, index, key=itemgetter(0)) - 1)
        return list(dict.fromkeys(key for _, key in objects[at : at + most]))

    def _find(self, first_index: int, end_index: int, limit_index: int) -> _Chunk:
        """Return a chunk that holds all of a range of stream indices."""
        if self._coming is not None and first_index >= self._coming[0]:
            self._chunk, self._coming = self._settle(self._coming[1].result()), None
        chunk = self._chunk
        if chunk is not None and chunk.found.first <= first_index and end_index <= chunk.found.end:
            return chunk
        if self._coming is not None:
            self._coming[1].result()  # the reader is for one thread at a time
        fewest = FEWEST_ROWS if chunk is None else AHEAD_ROWS
        wanted = max(fewest, LOOK_AHEAD_PACKS * self._pack_extents, end_index - first_index)
        wanted = max(wanted, FIRST_ROWS) if self._is_large else wanted
        self._chunk = self._settle(self._read(first_index, min(limit_index, first_index + wanted)))
        return self._chunk

    def _send_for(self, first_index: int, limit_index: int) -> None:
        """Have the next chunk read; it overlaps the last one, since a pack lies in one of them."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="penstock-manifest")
        end_index = min(limit_index, first_index + NEXT_ROWS)
        self._coming = first_index, self._thread.submit(self._read, first_index, end_index)

    def _read(self, first_index: int, end_index: int) -> _Rows:
        rows = self._manifest.take(rows_between(self._order, first_index, end_index))
        objects = _changes(rows, first_index, self._slot_bytes) if self._has_large_objects else ()
        return _Rows(first=first_index, rows=rows, heads=Heads.of(rows), objects=objects)

    def _settle(self, found: _Rows) -> _Chunk:
        sizes = found.rows.extent_bytes
        kept = self._kept.offer(found.rows.rows, sizes, first_index=found.first)
        # The largest extent must fit whatever lies beside it, and whatever is told of it.
        most = np.minimum(self._slot_bytes // 2, self._slot_bytes - SLOT_TAIL_BYTES - align(found.heads.alone_bytes))
        with_gaps = np.minimum(sizes + room_for_gaps(sizes), np.maximum(sizes, most))
        slot_sizes = with_gaps if self._has_neighbours else sizes
        return _Chunk(found=found, kept=kept, slot_sizes=np.where(kept == NOT_KEPT, slot_sizes, 0))


def _changes(rows: ExtentRows, first_index: int, least_bytes: int) -> list[tuple[int, str]]:
    """Return window index and key of each object that follows another, of those of more than ``least_bytes``."""
    objects = rows.span_objects
    changes = np.array([at for at, (one, other) in enumerate(pairwise(["", *objects])) if one != other], np.int64)
    changes = changes[rows.span_object_bytes[changes] > least_bytes]
    indices = first_index + np.searchsorted(rows.span_ends, changes, side="right")
    return [(index, objects[at]) for index, at in zip(indices.tolist(), changes.tolist(), strict=True)]
