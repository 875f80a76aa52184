"""What comes next: the packs of a stream, looked up in the manifest many at a time.

A pack may hold at most half as many samples as the stream has given before it: the first ones are small, so that the
first batches need not wait for a whole slot. None goes on into the next epoch, where it would meet its samples again.
Where a pack ends depends on its first index alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.plan import rows_between, window_samples
from penstock.records import ManifestReader, Order, SampleRows
from penstock.window.kept import NOT_KEPT, KeptArea
from penstock.window.layout import SAMPLE_ENTRY
from penstock.window.packing import Pack, count_fitting, encode_metas, lay_out, too_large

__all__ = ["Planner"]

FIRST_PACK_SAMPLES = 8
LOOK_AHEAD_PACKS = 8
LOOK_AHEAD_SAMPLES = (64, 65_536)
"""Fewest and most rows that are looked up at a time."""


class Planner:
    """Gives packs.

    Args:
        order: of the stream.
        manifest: that its rows are of.
        kept: tells which samples are kept, and where.
        slot_bytes: size of a slot.
        grows_from: stream index from which packs begin small and grow; None begins with full ones.
    """

    def __init__(
        self, order: Order, manifest: ManifestReader, kept: KeptArea, *, slot_bytes: int, grows_from: int | None
    ) -> None:
        self._order = order
        self._epoch_samples = window_samples(order)
        self._manifest = manifest
        self._kept = kept
        self._slot_bytes = slot_bytes
        self._grows_from = grows_from
        self._pack_samples = FIRST_PACK_SAMPLES
        self._first = self._end = 0
        self._found: tuple[SampleRows, list[bytes], NDArray[np.int64], NDArray[np.int64]] | None = None

    def next(self, first_index: int, limit_index: int) -> Pack:
        """Give the pack that begins at a stream index and ends before ``limit_index``, or there.

        Raises:
            WindowTooSmall: a sample with its description is larger than a slot.
        """
        assert first_index < limit_index
        left_in_epoch = self._epoch_samples - first_index % self._epoch_samples
        most = min(limit_index - first_index, left_in_epoch, LOOK_AHEAD_SAMPLES[1])
        if self._grows_from is not None:
            most = min(most, max(FIRST_PACK_SAMPLES, (first_index - self._grows_from) // 2))
        if self._found is None or not self._first <= first_index < self._end:
            self._look_up(first_index, limit_index, LOOK_AHEAD_PACKS * self._pack_samples)
        while True:
            assert self._found is not None
            rows, metas, kept, slot_sizes = self._found
            start = first_index - self._first
            stop = min(len(rows), start + most)
            meta_bytes = np.fromiter(map(len, metas[start:stop]), np.int64, stop - start)
            count = count_fitting(slot_sizes[start:stop], meta_bytes, slot_bytes=self._slot_bytes)
            if count < stop - start or stop == start + most:
                break
            # All that is known fits: there may be more.
            self._look_up(first_index, limit_index, LOOK_AHEAD_PACKS * max(count, self._pack_samples))
        if not count:
            needed = SAMPLE_ENTRY.itemsize + int(meta_bytes[0]) + int(slot_sizes[start])
            raise too_large(rows.keys[start], needed, self._slot_bytes)
        self._pack_samples = count
        return lay_out(
            rows, metas, kept, first=start, count=count, first_index=first_index, slot_bytes=self._slot_bytes
        )

    def _look_up(self, first_index: int, limit_index: int, count: int) -> None:
        fewest, most = LOOK_AHEAD_SAMPLES
        end_index = min(limit_index, first_index + min(max(count, fewest), most))
        rows = self._manifest.take(rows_between(self._order, first_index, end_index))
        kept = self._kept.offer(rows.rows, rows.sample_bytes)
        self._first, self._end = first_index, end_index
        self._found = rows, encode_metas(rows), kept, np.where(kept == NOT_KEPT, rows.sample_bytes, 0)
