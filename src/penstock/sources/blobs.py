"""Small whole things (checkpoints, records) read and written by name, locally or in S3.

Used by trainers, which fork workers: nothing of it is kept open between two calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from penstock.errors import AccessDenied, ObjectNotFound, SourceUnavailable, map_os_error
from penstock.files import atomic_write
from penstock.records import Purpose
from penstock.sources.blobs_s3 import MOST_BYTES, S3Blobs
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.s3_place import s3_place
from penstock.sources.uris import local_folder
from penstock.urls import check_location

__all__ = ["Blobs", "open_blobs"]

_DEFAULT_LIMITS = ClientLimits()


class Blobs(Protocol):
    """A flat folder of blobs."""

    def read(self, name: str, *, most_bytes: int = MOST_BYTES) -> bytes:
        """Give a blob's bytes.

        Raises:
            ObjectNotFound: there is none of that name.
            SourceError: it could not be read, or has more than ``most_bytes``.
        """
        ...

    def write(self, name: str, data: bytes) -> None:
        """Put a blob in its place, all of it or nothing.

        Raises:
            OutputError: it could not be written.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove a blob; nothing happens where there is none."""
        ...

    def locate(self, name: str) -> str:
        """Give the path or URI of a blob."""
        ...


def open_blobs(
    root: str,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    meter: RequestMeter | None = None,
    purpose: Purpose = "records",
    limits: ClientLimits = _DEFAULT_LIMITS,
) -> Blobs:
    """Open a local folder or an ``s3://bucket/prefix``; nothing is requested yet.

    Args:
        meter: counts what is sent and received; None is one of its own.
        purpose: that it is counted for.
        limits: of requests.

    Raises:
        ConfigError: ``root`` is a URI of another kind, or names no bucket.
    """
    check_location(root, "the URI")
    if place := s3_place(root, endpoint_url=endpoint_url, region=region):
        counts = RequestMeter() if meter is None else meter
        return S3Blobs(place, limits=limits, meter=counts, purpose=purpose)
    return _LocalBlobs(local_folder(root) if "://" in root else Path(root))


class _LocalBlobs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str, *, most_bytes: int = MOST_BYTES) -> bytes:
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
        atomic_write(self._folder / name, data)

    def delete(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise map_os_error(error, self.locate(name)) from error

    def locate(self, name: str) -> str:
        return str(self._folder / name)


def _not_found(where: str) -> ObjectNotFound:
    return ObjectNotFound(f"there is no {where}", fix="check the path", about=where)
