"""Extents as files, for readers that need a path: a video decoder, a library that opens by name.

A reader holds one file at a time, under ``files/<rank>-<pid>-<chance>/`` in the window's folder, written aside and
renamed, and removed as soon as it was used; what has other names than readers give is left alone. Room for the files
of all readers is taken off the slots before anything is allocated, so they count within the window's bound. Each
reader's folder has a lock that it holds while it lives; whoever begins a session, on either side, removes the folders
whose reader is gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from penstock import locks
from penstock.errors import NotOurs, WindowError, map_os_error
from penstock.files import open_regular
from penstock.window.folder import FILE_MODE, FILES, FOLDER_MODE, STALE_SECONDS, making

__all__ = ["ExtentFiles", "file_room_bytes", "safe_name", "sweep_files"]

_LOCK = "lock"
_READER = re.compile(r"\.?\d+-\d+-\w{8}")
"""Name of a reader's folder."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME_CHARACTERS = 100
_BLOCK_BYTES = 4096
_FOLDER_BYTES = 4 * _BLOCK_BYTES
"""A reader's folder, its lock, and their part of the folder above."""


def file_room_bytes(*, num_files: int, max_extent_bytes: int) -> int:
    """Return the room that ``num_files`` extents take as files at the same time, their folders included."""
    return num_files * (-(-max_extent_bytes // _BLOCK_BYTES) * _BLOCK_BYTES + _FOLDER_BYTES)


def safe_name(key: str) -> str:
    """Return a file name for an extent's key: its last part, what is not plain in it replaced, its ending kept."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", key.rstrip("/").rpartition("/")[2]).lstrip(".")
    return plain[-_NAME_CHARACTERS:].lstrip(".") or "sample"


class ExtentFiles:
    """The files of one reader; its folder is made when the first is asked for."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._root = folder / FILES
        self._rank = rank
        self._folder: Path | None = None
        self._handle = -1
        self._lock = -1
        self._holds = False

    @contextlib.contextmanager
    def hold(self, name: str, data: memoryview) -> Iterator[Path]:
        """Return the path of a file of these bytes, which is gone after the block.

        Raises:
            WindowError: the last one is still held.
            NotOurs: the folder of files is a link.
            DiskFull, OutputUnwritable: it cannot be made.
        """
        if self._holds:
            raise WindowError(
                f"two samples were asked for as files at once in {self._root}",
                fix="be done with a sample's file before the next one is asked for; copy what must stay",
                about=str(self._root),
            )
        folder = self._own_folder()
        beneath = _beneath(self._handle) / name
        self._holds = True
        try:
            with making(beneath) as handle:
                os.posix_fallocate(handle, 0, max(1, len(data)))
                _write(handle, data)
                os.ftruncate(handle, len(data))
            yield folder / name
        finally:
            self._holds = False
            beneath.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            with contextlib.suppress(OSError, NotOurs), _opened_root(self._root) as root:
                shutil.rmtree(self._folder.name, dir_fd=root)
            self._folder = None
        for handle in (self._lock, self._handle):
            if handle >= 0:
                os.close(handle)
        self._lock = self._handle = -1

    def _own_folder(self) -> Path:
        if self._folder is not None and os.fstat(self._handle).st_nlink:
            return self._folder
        self.close()
        try:
            with contextlib.suppress(FileExistsError):
                self._root.mkdir()
            with _opened_root(self._root) as root:
                with contextlib.suppress(PermissionError):
                    os.fchmod(root, FOLDER_MODE)  # another user's has it already
                made = Path(tempfile.mkdtemp(prefix=f".{self._rank}-{os.getpid()}-", dir=_beneath(root)))
                made.chmod(FOLDER_MODE)
                self._handle = os.open(made, _FOLDER_FLAGS)
                self._lock = open_regular(made / _LOCK, os.O_RDWR | os.O_CREAT, FILE_MODE)
                os.fchmod(self._lock, FILE_MODE)  # whatever the umask
                locks.take(self._lock)
                # Under this name it may be swept, and by now its lock tells that it must not be.
                name = made.name.removeprefix(".")
                made.rename(made.parent / name)
                self._folder = self._root / name
        except OSError as error:
            raise map_os_error(error, str(self._root)) from error
        return self._folder


def _beneath(handle: int) -> Path:
    """Return a path that leads to an open folder, whatever takes its place meanwhile."""
    return Path(f"/proc/self/fd/{handle}")


@contextlib.contextmanager
def _opened_root(root: Path) -> Iterator[int]:
    """Open the folder of all readers' folders.

    Raises:
        NotOurs: it is a link, or no folder.
        OSError: it is not there, or cannot be opened.
    """
    try:
        handle = os.open(root, _FOLDER_FLAGS)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            what = f"{root} is a link or a file, not a folder"
            fix = "remove it, or choose another --window; it was left as it is"
            raise NotOurs(what, fix=fix, about=str(root)) from error
        raise
    try:
        yield handle
    finally:
        os.close(handle)


def _write(handle: int, data: memoryview) -> None:
    written = 0
    while written < len(data):
        written += os.write(handle, data[written:])


def sweep_files(folder: Path) -> None:
    """Remove the files of readers that are gone."""
    old = time.time() - STALE_SECONDS
    with contextlib.suppress(FileNotFoundError, PermissionError, NotOurs), _opened_root(folder / FILES) as root:
        for path in list(_beneath(root).iterdir()):
            if _READER.fullmatch(path.name) and _is_abandoned(path, old):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path.name, dir_fd=root)


def _is_abandoned(path: Path, old: float) -> bool:
    with contextlib.suppress(OSError):
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            return False
        return found.st_mtime < old if path.name.startswith(".") else not locks.is_held(path / _LOCK)
    return False
