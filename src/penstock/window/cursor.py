"""A rank's cursor: the stream index below which its reader needs nothing any more.

A reader that begins a session puts a new file in the place of the old one, whole from the first moment. A reader
of an earlier session that is still about moves a file that nobody looks at any more.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from penstock import locks
from penstock.window.folder import cursor_name, making
from penstock.window.geometry import CURSOR_BYTES
from penstock.window.layout import map_file

__all__ = ["Cursor"]

_RECORD = np.dtype([("index", "<u8"), ("is_over", "<u8"), ("session", "S64")])


class Cursor:
    """A mapped cursor. ``begin`` makes one; ``open`` looks at one of another process.

    Attributes:
        session: the session that it belongs to.
    """

    def __init__(self, path: Path, handle: int | None) -> None:
        self._path = path
        self._handle = handle
        self._mapped = map_file(path, CURSOR_BYTES, writable=handle is not None)
        self._words = memoryview(self._mapped)[:16].cast("Q")
        self.session = bytes(np.ndarray((), dtype=_RECORD, buffer=self._mapped)["session"][()]).decode(errors="replace")

    @classmethod
    def begin(cls, folder: Path, rank: int, session: str, index: int) -> Cursor:
        """Put the cursor of a new session, locked for as long as this process lives and does not end it.

        Raises:
            DiskFull, OutputUnwritable: it cannot be made.
        """
        path = folder / cursor_name(rank)
        record = np.zeros((), dtype=_RECORD)
        record["index"], record["session"] = index, session.encode()
        with making(path) as handle:
            os.posix_fallocate(handle, 0, CURSOR_BYTES)
            os.pwrite(handle, record.tobytes(), 0)
            kept = os.dup(handle)
            locks.take(kept)
        return cls(path, kept)

    @classmethod
    def open(cls, folder: Path, rank: int) -> Cursor | None:
        """Give a rank's cursor as it is now, or None while there is none."""
        try:
            return cls(folder / cursor_name(rank), None)
        except (FileNotFoundError, ValueError):
            return None

    @property
    def index(self) -> int:
        """Everything below it is not needed any more."""
        return self._words[0]

    @property
    def is_over(self) -> bool:
        """Whether the reader that began it has ended the session."""
        return bool(self._words[1])

    def is_alive(self) -> bool:
        """Tell whether the reader that began it lives, and has not ended it."""
        return not self.is_over and locks.is_held(self._path)

    def move(self, index: int) -> None:
        """Say that everything below ``index`` is not needed any more."""
        self._words[0] = index

    def end(self) -> None:
        """End the session for whoever reads along with it."""
        if self._handle is None:
            return
        self._words[1] = 1
        locks.let_go(self._handle)
        os.close(self._handle)
        self._handle = None
