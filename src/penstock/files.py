"""Writing local files: a reader sees the old one or the whole new one, never a part; scratch leaves nothing behind."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from penstock.errors import NotOurs, OutputUnwritable, map_os_error

__all__ = ["ScratchFile", "atomic_path", "atomic_write", "open_regular", "refuse_not_plain"]

_NAME_SHOWN = 40
"""Characters of a file's name that its temporary one shows: both must fit a name's limit."""
_NO_FILE = (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENOTDIR)
"""What opening anything but a file ends with: a link that must not be followed, a folder, a socket."""

_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path, flags: int, mode: int = 0o660) -> int:
    """Open a file that must not be anything else, without following a link and without waiting, as on a pipe.

    Args:
        path: of the file; the folders before its name may be links.
        flags: as of ``os.open``. To be written to, the file must have no second name, which somebody may have given it
            to have another file written to.

    Raises:
        NotOurs: it is a link, a folder, a pipe, a device, a socket, or has a second name.
        OSError: it is not there, or cannot be opened.
    """
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _not_a_file(path) from error
        raise
    found = os.fstat(handle)
    is_shared = found.st_nlink > 1 and flags & (os.O_WRONLY | os.O_RDWR)
    if not stat.S_ISREG(found.st_mode) or is_shared:
        os.close(handle)
        raise _not_a_file(path, second_name=bool(is_shared))
    return handle


def _not_a_file(path: Path, *, second_name: bool = False) -> NotOurs:
    what = "has a second name (a hard link)" if second_name else "is a link, a folder or the like, not a plain file"
    return NotOurs(
        f"{path} {what}",
        fix="remove it, or choose another folder; it was left as it is",
        about=str(path),
    )


def refuse_not_plain(path: Path) -> None:
    """Refuse to replace what is there if it is a link, a folder, a device, a pipe or a socket.

    Raises:
        OutputUnwritable: it is one, or it cannot be told.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):  # what keeps it from being made is told where it is made
        return
    except OSError as error:
        raise map_os_error(error, str(path)) from error
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "not a plain file")
        raise OutputUnwritable(
            f"cannot write {path}, which is {kind}",
            fix="name a file, new or to be written over; it was left as it is",
            about=str(path),
        )


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Return a temporary path beside ``path`` that is synced and renamed over it when the block succeeds.

    The parent folder is made if it is missing; on any error the temporary file is removed and what was
    at ``path`` before is untouched.

    Raises:
        DiskFull, OutputUnwritable: the file cannot be written, or what is there is no plain file.
    """
    temporary = path.parent / f".{path.name[:_NAME_SHOWN]}.{uuid.uuid4().hex}.tmp"
    refuse_not_plain(path)
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
        """Return bytes that were written."""
        with self._errors():
            return os.pread(self._handle, length_bytes, offset)

    def reader(self) -> BinaryIO:
        """Return a file that reads it from its begin; who gets it closes it."""
        with self._errors():
            file = os.fdopen(os.dup(self._handle), "rb")
            file.seek(0)
        return file

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
