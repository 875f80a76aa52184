"""A rank's cursor: the stream index below which its reader needs nothing any more.

A reader that begins a session puts a new file in the place of the old one, whole from the first moment. A reader
of an earlier session that is still about moves a file that nobody looks at any more. The file is written and read as
a whole, not mapped: one that is cut short under a mapping is a SIGBUS, and one that is written is whole again.
"""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

from penstock import locks
from penstock.errors import NotOurs
from penstock.files import open_regular
from penstock.window.folder import cursor_name, making
from penstock.window.geometry import CURSOR_BYTES

__all__ = ["Cursor"]

_RECORD = struct.Struct("<QQ64s")
"""Index, whether the session is over, and the session."""
_PLACE = struct.Struct("<QQ")


class Cursor:
    """A cursor. ``begin`` makes one; ``open`` looks at one of another process.

    Attributes:
        session: the session that it belongs to.
    """

    def __init__(self, path: Path, handle: int, *, is_own: bool) -> None:
        self._path = path
        self._handle = handle
        self._is_own = is_own
        self._lock = threading.Lock()
        index, is_over, session = _RECORD.unpack(os.pread(handle, _RECORD.size, 0))
        self._seen: tuple[int, int] = (index, is_over)
        self.session = bytes(session).rstrip(b"\0").decode(errors="replace")

    def __del__(self) -> None:
        if getattr(self, "_handle", -1) >= 0:
            os.close(self._handle)

    @classmethod
    def begin(cls, folder: Path, rank: int, session: str, index: int) -> Cursor:
        """Put the cursor of a new session, locked for as long as this process lives and does not end it.

        Raises:
            NotOurs: something else than a file lies there.
            DiskFull, OutputUnwritable: it cannot be made.
        """
        path = folder / cursor_name(rank)
        with making(path) as handle:
            os.posix_fallocate(handle, 0, CURSOR_BYTES)
            os.pwrite(handle, _RECORD.pack(index, 0, session.encode()), 0)
            kept = os.dup(handle)
            locks.take(kept)
        return cls(path, kept, is_own=True)

    @classmethod
    def open(cls, folder: Path, rank: int) -> Cursor | None:
        """Return a rank's cursor as it is now, or None while there is none."""
        path = folder / cursor_name(rank)
        handle = -1
        try:
            handle = open_regular(path, os.O_RDONLY)
            return cls(path, handle, is_own=False)
        except (FileNotFoundError, NotOurs, struct.error):
            return None

    @property
    def index(self) -> int:
        """Everything below it is not needed any more."""
        return self._look()[0]

    @property
    def is_over(self) -> bool:
        """Whether the reader that began it has ended the session."""
        return bool(self._look()[1])

    def is_alive(self) -> bool:
        """Tell whether the reader that began it lives, and has not ended it."""
        return not self.is_over and locks.is_held(self._path)

    def is_there(self) -> bool:
        """Tell whether the file still lies there under its name."""
        try:
            with self._lock:
                return self._handle < 0 or self._path.lstat().st_ino == os.fstat(self._handle).st_ino
        except FileNotFoundError:
            return False

    def mended(self, folder: Path, rank: int) -> Cursor:
        """Return an own cursor, put back where another process removed it or wrote to it: it would be waited for."""
        if not self.is_there():
            return Cursor.begin(folder, rank, self.session, self._seen[0])
        self.mend()
        return self

    def mend(self) -> None:
        """Put what an own one says again, where another process changed the file."""
        with self._lock:
            said = _PLACE.pack(*self._seen)
            if self._is_own and self._handle >= 0 and os.pread(self._handle, _PLACE.size, 0) != said:
                self._write(*self._seen)

    def move(self, index: int) -> None:
        """Say that everything below ``index`` is not needed any more."""
        self._put(index, 0)

    def end(self) -> None:
        """End the session for whoever reads along with it; any thread may, and no other's move comes after it."""
        with self._lock:
            if self._is_own and self._handle >= 0:
                self._write(self._seen[0], 1)
                locks.let_go(self._handle)
                os.close(self._handle)
                self._handle = -1

    def _put(self, index: int, is_over: int) -> None:
        with self._lock:
            if self._handle >= 0:  # its number may be another file's by now
                self._write(index, is_over)

    def _write(self, index: int, is_over: int) -> None:
        self._seen = (index, is_over)
        os.pwrite(self._handle, _RECORD.pack(*self._seen, self.session.encode()), 0)

    def _look(self) -> tuple[int, int]:
        """Return what it says; of another's that was cut short, what it said before."""
        if not self._is_own and len(data := os.pread(self._handle, _PLACE.size, 0)) == _PLACE.size:
            self._seen = _PLACE.unpack(data)
        return self._seen
