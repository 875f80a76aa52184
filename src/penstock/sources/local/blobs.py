"""Blobs in a local folder."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from penstock.errors import AccessDenied, ObjectNotFound, SourceUnavailable, map_os_error
from penstock.files import atomic_path
from penstock.locks import is_held, take
from penstock.sources.blobs import MOST_BYTES

__all__ = ["LocalBlobs", "remove_leftovers"]

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")


class LocalBlobs:
    """A local folder, made when a blob is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str, *, most_bytes: int = MOST_BYTES) -> bytes:
        """Return a blob's bytes."""
        try:
            with (self._folder / name).open("rb") as file:
                # room for all that is asked for is made at once, so no more is asked for than is there
                data = file.read(min(os.fstat(file.fileno()).st_size, most_bytes) + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _not_found(self.locate(name)) from error
        except OSError as error:
            where = self.locate(name)
            raise AccessDenied(f"cannot read {where} ({error.strerror})", fix="check its owner", about=where) from error
        if len(data) > most_bytes:
            where = self.locate(name)
            raise SourceUnavailable(
                f"{where} has more than {most_bytes} bytes", fix="look what lies there", about=where
            )
        return data

    def write(self, name: str, data: bytes) -> None:
        """Put a blob in its place; until it is there, a lock tells that somebody writes it."""
        with contextlib.ExitStack() as held, atomic_path(self._folder / name) as temporary:
            file = temporary.open("rb+")
            held.callback(file.close)
            with contextlib.suppress(OSError):  # of a file system without locks
                take(file.fileno())
            file.write(data)
            file.flush()

    def delete(self, name: str) -> None:
        """Remove a blob, if there is one."""
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise map_os_error(error, self.locate(name)) from error

    def locate(self, name: str) -> str:
        """Return the path of a blob."""
        return str(self._folder / name)


def remove_leftovers(folder: Path) -> None:
    """Remove what writers of blobs that were killed left in a folder: nobody holds the lock of it any more."""
    with contextlib.suppress(OSError):  # of a folder that is not there, or a file system without locks
        for path in folder.iterdir():
            if _TEMPORARY.fullmatch(path.name) and path.is_file() and not is_held(path):
                path.unlink(missing_ok=True)


def _not_found(where: str) -> ObjectNotFound:
    return ObjectNotFound(f"there is no {where}", fix="check the path", about=where)
