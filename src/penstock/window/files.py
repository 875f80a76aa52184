"""Samples as files, for readers that need a path: a video decoder, a library that opens by name.

A reader holds one file at a time, under ``files/<rank>-<pid>-<chance>/`` in the window's folder, written aside and
renamed, and removed as soon as it was used. Room for the files of all readers is taken off the slots before anything
is allocated, so they count within the window's bound. Each reader's folder has a lock that it holds while it lives;
whoever begins a session, on either side, removes the folders whose reader is gone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from penstock import locks
from penstock.errors import WindowError, map_os_error
from penstock.window.folder import FILE_MODE, FILES, FOLDER_MODE, STALE_SECONDS, making

__all__ = ["SampleFiles", "file_room_bytes", "safe_name", "sweep_files"]

_LOCK = "lock"
_NAME_CHARACTERS = 100
_BLOCK_BYTES = 4096
_FOLDER_BYTES = 4 * _BLOCK_BYTES
"""A reader's folder, its lock, and their part of the folder above."""


def file_room_bytes(*, num_files: int, max_sample_bytes: int) -> int:
    """Give the room that ``num_files`` samples take as files at the same time, their folders included."""
    return num_files * (-(-max_sample_bytes // _BLOCK_BYTES) * _BLOCK_BYTES + _FOLDER_BYTES)


def safe_name(key: str) -> str:
    """Give a file name for a sample's key: its last part, what is not plain in it replaced, its ending kept."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", key.rstrip("/").rpartition("/")[2]).lstrip(".")
    return plain[-_NAME_CHARACTERS:].lstrip(".") or "sample"


class SampleFiles:
    """The files of one reader; its folder is made when the first is asked for."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._root = folder / FILES
        self._rank = rank
        self._folder: Path | None = None
        self._lock: int | None = None
        self._holds = False

    @contextlib.contextmanager
    def hold(self, name: str, data: memoryview) -> Iterator[Path]:
        """Give the path of a file of these bytes, which is gone after the block.

        Raises:
            WindowError: the last one is still held.
            DiskFull, OutputUnwritable: it cannot be made.
        """
        if self._holds:
            raise WindowError(
                f"two samples were asked for as files at once in {self._root}",
                fix="be done with a sample's file before the next one is asked for; copy what must stay",
                about=str(self._root),
            )
        path = self._own_folder() / name
        self._holds = True
        try:
            with making(path) as handle:
                os.posix_fallocate(handle, 0, max(1, len(data)))
                _write(handle, data)
                os.ftruncate(handle, len(data))
            yield path
        finally:
            self._holds = False
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _own_folder(self) -> Path:
        if self._folder is not None and self._folder.is_dir():
            return self._folder
        self.close()
        try:
            self._root.mkdir(exist_ok=True)
            with contextlib.suppress(PermissionError):
                self._root.chmod(FOLDER_MODE)  # another user's has it already
            made = Path(tempfile.mkdtemp(prefix=f".{self._rank}-{os.getpid()}-", dir=self._root))
            made.chmod(FOLDER_MODE)
            self._lock = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT, FILE_MODE)
            os.fchmod(self._lock, FILE_MODE)  # whatever the umask
            locks.take(self._lock)
            # Under this name it may be swept, and by now its lock tells that it must not be.
            self._folder = made.rename(self._root / made.name.removeprefix("."))
        except OSError as error:
            raise map_os_error(error, str(self._root)) from error
        return self._folder


def _write(handle: int, data: memoryview) -> None:
    written = 0
    while written < len(data):
        written += os.write(handle, data[written:])


def sweep_files(folder: Path) -> None:
    """Remove the files of readers that are gone."""
    try:
        found = list((folder / FILES).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    old = time.time() - STALE_SECONDS
    for path in found:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if (path.stat().st_mtime < old) if path.name.startswith(".") else not locks.is_held(path / _LOCK):
                shutil.rmtree(path, ignore_errors=True)
