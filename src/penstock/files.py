"""Writing local files so that a reader sees the old one or the whole new one, never a part."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from penstock.errors import map_os_error

__all__ = ["atomic_path", "atomic_write"]

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
