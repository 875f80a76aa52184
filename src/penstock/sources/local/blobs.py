"""Blobs in a local folder."""

from __future__ import annotations

from pathlib import Path

from penstock.errors import AccessDenied, ObjectNotFound, SourceUnavailable, map_os_error
from penstock.files import atomic_write
from penstock.sources.blobs import MOST_BYTES

__all__ = ["LocalBlobs"]


class LocalBlobs:
    """A local folder, made when a blob is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str, *, most_bytes: int = MOST_BYTES) -> bytes:
        """Return a blob's bytes."""
        try:
            with (self._folder / name).open("rb") as file:
                data = file.read(most_bytes + 1)
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
        """Put a blob in its place."""
        atomic_write(self._folder / name, data)

    def delete(self, name: str) -> None:
        """Remove a blob, if there is one."""
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise map_os_error(error, self.locate(name)) from error

    def locate(self, name: str) -> str:
        """Return the path of a blob."""
        return str(self._folder / name)


def _not_found(where: str) -> ObjectNotFound:
    return ObjectNotFound(f"there is no {where}", fix="check the path", about=where)
