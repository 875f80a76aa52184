"""Bytes of extents that were handed over: counted as the readers' cursors pass them, each once.

What is made ready is more: kept extents are made ready for epochs ahead at no cost, and may never be asked for.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.records import StreamSpec
from penstock.window.control import Control, ControlCut, FillerState
from penstock.window.cursor import Cursor
from penstock.window.layout import ExtentStatus
from penstock.window.wakeup import Listener

__all__ = ["HandedOver", "given_bytes", "wait_until_counted"]

COUNT_SECONDS = 5.0
"""How long the prefetcher is given to count what its cursors have passed; it takes milliseconds."""
POLL_SECONDS = 0.001

_GIVEN = (ExtentStatus.DATA, ExtentStatus.KEPT)


def given_bytes(table: NDArray[np.void]) -> NDArray[np.int64]:
    """Return the bytes of a table's extents, 0 for those that are an error or are skipped, shape (extents,)."""
    sizes: NDArray[np.int64] = np.where(np.isin(table["status"], _GIVEN), table["data_bytes"], 0).astype(np.int64)
    return sizes


class HandedOver:
    """The extents that lie ready and are not passed yet.

    Args:
        index: stream index below which all is counted.
    """

    def __init__(self, index: int) -> None:
        self._index = index
        self._firsts: list[int] = []
        self._ends: dict[int, NDArray[np.int64]] = {}

    def put(self, first_index: int, sizes: NDArray[np.int64]) -> None:
        """Take extents that were made ready, in bytes, shape (extents,)."""
        if first_index not in self._ends:
            heapq.heappush(self._firsts, first_index)
        self._ends[first_index] = np.cumsum(sizes)

    def move(self, index: int) -> int:
        """Take the readers' lowest cursor; give the bytes that were not counted yet."""
        total = 0
        while self._firsts and self._firsts[0] < index:
            first = self._firsts[0]
            ends = self._ends[first]
            low, high = max(self._index - first, 0), min(index - first, len(ends))
            if low < high:
                total += int(ends[high - 1]) - (int(ends[low - 1]) if low else 0)
            if high < len(ends):
                break
            heapq.heappop(self._firsts)
            del self._ends[first]
        self._index = max(self._index, index)
        return total


def wait_until_counted(folder: Path, spec: StreamSpec, control: Control, own: Cursor) -> None:
    """Wait a moment until the prefetcher has counted what all of a session's readers have passed.

    Args:
        folder: of the window.
        spec: of the session.
        control: of the window.
        own: cursor of one of its readers.
    """
    others = [Cursor.open(folder, rank) for rank in range(spec.num_ranks)] if spec.num_ranks > 1 else []
    if any(other is None or other.session != spec.session for other in others):
        return
    reached = min([own.index, spec.end_index, *(other.index for other in others if other is not None)])
    deadline = time.monotonic() + COUNT_SECONDS
    bell = Listener(folder)
    with contextlib.suppress(ControlCut), contextlib.closing(bell):
        while (
            control.session == spec.session
            and control.state == FillerState.RUNNING
            and control.cursor < reached
            and time.monotonic() < deadline
        ):
            bell.ring()
            time.sleep(POLL_SECONDS)
