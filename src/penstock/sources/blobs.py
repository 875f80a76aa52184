"""Small whole things (checkpoints, records) read and written by name, wherever they lie.

Used by trainers, which fork workers: nothing of it is kept open between two calls.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["MOST_BYTES", "Blobs"]

MOST_BYTES = 64 << 30
"""Of a blob whose size nobody has told."""


class Blobs(Protocol):
    """A flat folder of blobs."""

    def read(self, name: str, *, most_bytes: int = MOST_BYTES) -> bytes:
        """Return a blob's bytes.

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
        """Return the path or URI of a blob."""
        ...
