"""The window's folder: files that two users share, each whole or not there, and all of them counted.

Prefetcher and trainer may be different users of one group (``fsGroup``), whatever their umask: files get mode
0660 and a folder that is made gets 2770. Every block is reserved when a file is made, since a hole in a mapped
file is a SIGBUS once the disk is full.

The folder is a window because it carries a mark (``window.ownership``), and only then; in it, what has other names
than ours is left alone, and nothing is opened through a link.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from penstock.errors import WindowError, map_os_error
from penstock.files import open_regular
from penstock.owning import WINDOW_MARK

__all__ = ["CONTROL", "FILES", "MANIFEST", "SESSION", "SLOTS", "SOCKET"]
__all__ += ["allocate", "cursor_name", "foreign_bytes", "install", "making", "own_files", "read_small", "release"]
__all__ += ["sweep", "used_bytes", "withdraw"]

CONTROL, SLOTS, SESSION, SOCKET, MANIFEST = "control", "slots", "session.json", "socket", "manifest.parquet"
FILES = "files"
"""Folder of the extents that are handed over as files, a folder a reader."""
FILE_MODE = 0o660
FOLDER_MODE = 0o2770
MOST_SMALL_BYTES = 1 << 20
"""Far more than the largest session or record needs that another process hands over."""
BLOCK_BYTES = 512
"""Unit of ``st_blocks``."""
STALE_SECONDS = 60.0
"""Age at which a temporary file is one that a killed process left."""
_CURSOR = "cursor-"
_TEMPORARY = re.compile(r"\.(control|slots|session\.json|manifest\.parquet|cursor-\d+)\.\w{8}\.tmp")
_CURSORS = re.compile(r"cursor-\d+")
_OWN = re.compile(rf"{_CURSORS.pattern}|{_TEMPORARY.pattern}|meter-[0-9a-f]{{16}}-[0-9a-f]{{8}}")
_KEEP_SIZE, _PUNCH_HOLE = 1, 2

_log = logging.getLogger(__name__)


def cursor_name(rank: int) -> str:
    """Return the file name of a rank's cursor."""
    return f"{_CURSOR}{rank}"


@contextlib.contextmanager
def making(path: Path) -> Iterator[int]:
    """Return a handle of a new file that takes ``path`` over when the block succeeds, and is gone when it fails.

    Unlike ``penstock.files`` it does not sync: what a power cut leaves is found by checksums.

    Raises:
        NotOurs: something else than a file lies there.
        DiskFull, OutputUnwritable: it cannot be made.
    """
    temporary: Path | None = None
    handle: int | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        os.fchmod(handle, FILE_MODE)
        yield handle
        _check_replaceable(path)
        temporary.replace(path)
    except OSError as error:
        raise map_os_error(error, str(path)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def allocate(path: Path, size_bytes: int, *, head: bytes = b"") -> None:
    """Put a file of ``head`` and zeros at ``path``, every block of it reserved.

    Raises:
        DiskFull, OutputUnwritable: it cannot be made; nothing is left of it.
    """
    with making(path) as handle:
        os.posix_fallocate(handle, 0, size_bytes)
        os.pwrite(handle, head, 0)


def install(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``: all of it or nothing."""
    with making(path) as handle:
        os.posix_fallocate(handle, 0, len(data))
        os.pwrite(handle, data, 0)


def _check_replaceable(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.close(open_regular(path, os.O_RDONLY))


def withdraw(path: Path) -> None:
    """Remove a file, if there is one.

    Raises:
        NotOurs: something else lies there.
    """
    _check_replaceable(path)
    path.unlink(missing_ok=True)


def read_small(path: Path) -> bytes:
    """Read a file that another process handed over, if it is one and not absurdly large.

    Raises:
        NotOurs: it is a link, a folder or the like.
        WindowError: it is larger than anything that is handed over.
        OSError: it is not there, or cannot be read.
    """
    handle = open_regular(path, os.O_RDONLY)
    try:
        data = os.pread(handle, MOST_SMALL_BYTES + 1, 0)
    finally:
        os.close(handle)
    if len(data) > MOST_SMALL_BYTES:
        raise WindowError(
            f"{path} has more than {MOST_SMALL_BYTES} bytes, which nothing that is asked for takes",
            fix="another process wrote it; use a window folder that only Penstock writes to",
            about=str(path),
        )
    return data


def release(path: Path) -> None:
    """Remove a file and give its blocks back at once, also where a process still maps it.

    A file that is only unlinked keeps its blocks for as long as it is mapped, and one that is cut short is a
    SIGBUS for whom maps it; a punched one reads as zeros, which match no checksum.

    Raises:
        NotOurs: it is not a file, but a link or the like.
    """
    with contextlib.suppress(OSError):
        handle = open_regular(path, os.O_RDWR)
        try:
            size = ctypes.c_int64(os.fstat(handle).st_size)
            punched = ctypes.CDLL(None).fallocate(handle, _KEEP_SIZE | _PUNCH_HOLE, ctypes.c_int64(0), size)
            if punched and size.value:
                _log.info("window.not_punched path=%s", path)
        finally:
            os.close(handle)
    path.unlink(missing_ok=True)


def _sizes(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield path.name, path.lstat()


def used_bytes(folder: Path) -> int:
    """Return what a window's folder takes on disk, the folder itself included."""
    blocks = folder.lstat().st_blocks + sum(stat.st_blocks for _, stat in _sizes(folder))
    if not (folder / FILES).is_symlink():
        for inner, folders, files in os.walk(folder / FILES):
            for name in (*folders, *files):
                with contextlib.suppress(FileNotFoundError):
                    blocks += os.lstat(os.path.join(inner, name)).st_blocks  # noqa: PTH118 - os.walk gives text
    return BLOCK_BYTES * blocks


def foreign_bytes(folder: Path) -> int:
    """Return what files take that the window does not account for itself: the manifest, and whatever lies there."""
    own = (CONTROL, SLOTS, SESSION, SOCKET, FILES, _CURSOR)
    mine = (WINDOW_MARK, *own, *(f".{name}" for name in own))
    return sum(
        max(stat.st_blocks * BLOCK_BYTES, stat.st_size) for name, stat in _sizes(folder) if not name.startswith(mine)
    )


def own_files(folder: Path) -> list[Path]:
    """Return the window's own files and socket, also those that are being made, but for mark and extents' files."""
    fixed = (CONTROL, SLOTS, SESSION, MANIFEST, SOCKET)
    found = [(name, stats.st_mode) for name, stats in _sizes(folder) if name in fixed or _OWN.fullmatch(name)]
    return [folder / name for name, mode in found if stat.S_ISREG(mode) or stat.S_ISSOCK(mode)]


def sweep(folder: Path, *, num_ranks: int) -> None:
    """Remove what killed processes left: temporary files, and the cursors of ranks that there are no more."""
    keep = {cursor_name(rank) for rank in range(num_ranks)}
    old = time.time() - STALE_SECONDS
    for name, found in _sizes(folder):
        left = _TEMPORARY.fullmatch(name) and found.st_mtime < old
        if (left or (_CURSORS.fullmatch(name) and name not in keep)) and stat.S_ISREG(found.st_mode):
            (folder / name).unlink(missing_ok=True)
