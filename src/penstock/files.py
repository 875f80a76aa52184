"""Writing local files: a reader sees the old one or the whole new one, never a part; scratch leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from penstock.errors import map_os_error

__all__ = ["ScratchFile", "atomic_path", "atomic_write"]

_NAME_SHOWN = 40
"""Characters of a file's name that its temporary one shows: both must fit a name's limit."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that is synced and renamed over it when the block succeeds.

    The parent folder is made if it is missing; on any error the temporary file is removed and what was
    at ``path`` before is untouched.

    Raises:
        DiskFull, OutputUnwritable: the file cannot be written.
    """
    temporary = path.parent / f".{path.name[:_NAME_SHOWN]}.{uuid.uuid4().hex}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # os.open, since mkstemp's files are for the owner alone, and reading the umask to widen them sets it
        # for every thread of the process.
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise map_os_error(error, str(path)) from error
    finally:
        with contextlib.suppress(OSError):  # where the folder cannot be used, the error above says so
            temporary.unlink(missing_ok=True)


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``: all of it or nothing.

    Raises:
        DiskFull, OutputUnwritable: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


class ScratchFile:
    """A file without a name: whatever becomes of the process, nothing of it is left behind.

    Args:
        folder: where its bytes lie; None is the system's folder for temporary files. It is made if it is missing.

    Raises:
        DiskFull, OutputUnwritable: from the constructor, ``append`` and ``read``.
    """

    def __init__(self, folder: Path | None) -> None:
        self._place = str(folder or tempfile.gettempdir())
        self._end = 0
        self._handle = -1
        with self._errors():
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder, prefix=".penstock-scratch-") as file:
                self._handle = os.dup(file.fileno())

    def __del__(self) -> None:
        self.close()

    def append(self, data: bytes | memoryview) -> tuple[int, int]:
        """Write bytes behind those that are there; give their offset and length."""
        offset, left = self._end, memoryview(data).cast("B")
        with self._errors():
            while left:
                written = os.pwrite(self._handle, left, self._end)
                self._end += written
                left = left[written:]
        return offset, self._end - offset

    def read(self, offset: int, length_bytes: int) -> bytes:
        """Give bytes that were written."""
        with self._errors():
            return os.pread(self._handle, length_bytes, offset)

    def close(self) -> None:
        """Let go of it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise map_os_error(error, self._place) from error
