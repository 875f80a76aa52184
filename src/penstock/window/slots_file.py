"""The file of slots as a reader sees it: read, not mapped.

A file that is cut short under a mapping is a SIGBUS, wherever the bytes are used, be it in the user's decoder; a read
that comes short is noticed at once, and what was read stays as it was. The copy takes 0.1 s a GB.
"""

from __future__ import annotations

import os
from pathlib import Path

from penstock.files import open_regular
from penstock.window.folder import SLOTS
from penstock.window.read_memory import ReadMemory

__all__ = ["SlotsFile"]


class SlotsFile:
    """An open file of slots.

    Args:
        folder: of the window.
        size_bytes: what it must have.

    Raises:
        NotOurs: it is a link or the like.
        OSError, ValueError: it is not there, or not of that size.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._memory = ReadMemory()
        self._handle = open_regular(folder / SLOTS, os.O_RDONLY)
        if os.fstat(self._handle).st_size != size_bytes:
            raise ValueError(f"{folder / SLOTS} is not of {size_bytes} bytes")

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)

    def read(self, offset: int, size_bytes: int) -> memoryview:
        """Return bytes as they are now; fewer where the file has no more, none where there is no such place.

        They are a copy, which stays as it is for as long as anything refers to it.
        """
        if not 0 < size_bytes <= self._size_bytes - offset:
            return memoryview(b"")
        place = self._memory.take(size_bytes)
        return place[: os.preadv(self._handle, [place], offset)].toreadonly()
