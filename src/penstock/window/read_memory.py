"""Memory that extents are read to, used again once nobody refers to what was read there before.

Fresh memory is a page fault every 4 KiB, which costs as much as the copy. What is small is put many to a piece of
memory, which is used again as a whole: whoever keeps one extent keeps at most such a piece.
"""

from __future__ import annotations

import weakref

import numpy as np
from numpy.typing import NDArray

from penstock.units import KIB, MIB

__all__ = ["ReadMemory"]

PIECE_BYTES = 1 * MIB
MOST_SMALL_BYTES = 256 * KIB
"""What is larger has memory of its own, in large pages where there are some."""
MOST_PIECES = 16


class ReadMemory:
    """Gives memory to read to; a copy of it, such as that of a forked process, shares nothing with it."""

    def __init__(self) -> None:
        self._pieces: list[tuple[bytearray, weakref.ref[NDArray[np.uint8]]]] = []
        self._current: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._used_bytes = 0

    def take(self, size_bytes: int) -> memoryview:
        """Return memory, its bytes whatever lay there; it is its holder's for as long as anything refers to it."""
        if size_bytes > MOST_SMALL_BYTES:
            return np.empty(size_bytes, np.uint8).data
        if self._used_bytes + size_bytes > len(self._current):
            self._current, self._used_bytes = self._unused(), 0
        begin = self._used_bytes
        self._used_bytes += size_bytes
        return self._current.data[begin : begin + size_bytes]

    def _unused(self) -> NDArray[np.uint8]:
        """Return a piece that nobody refers to, the current one included."""
        self._current = np.empty(0, np.uint8)
        place = next((at for at, (_, given) in enumerate(self._pieces) if given() is None), None)
        piece = bytearray(PIECE_BYTES) if place is None else self._pieces.pop(place)[0]
        # Views keep the array that they are of, so that is what tells whether the memory is in use. It is itself no
        # view of an array: numpy would have arrays made of it (``np.ndarray(buffer=…)``) keep that one instead.
        given = np.frombuffer(piece, np.uint8)
        self._pieces.append((piece, weakref.ref(given)))
        if len(self._pieces) > MOST_PIECES:
            del self._pieces[0]
        return given
