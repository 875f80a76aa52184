"""What a source can do, one verb a protocol (after obspec)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

__all__ = ["GetRange", "ListObjects", "ObjectInfo", "ReadInto"]


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a listing.

    Attributes:
        key: relative to the source's prefix.
        trouble: why its bytes cannot be had, as a phrase that goes on from its key; empty where they can.
    """

    key: str
    size_bytes: int
    etag: str
    trouble: str = ""


class ListObjects(Protocol):
    """Lists objects."""

    def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """Give the objects in the folder ``prefix`` (empty: all), in pages, in the store's order."""
        ...


class GetRange(Protocol):
    """Reads a part of an object."""

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Give ``length_bytes`` bytes from ``offset`` of the very version that ``info`` names.

        Raises:
            SourceChanged: the object is another one by now.
            SourceError: it could not be had.
        """
        ...


class ReadInto(Protocol):
    """Reads a part of an object to where it is wanted."""

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Fill ``place`` with the bytes from ``offset`` of the very version that ``info`` names.

        Where it is cancelled or fails, nothing is written to ``place`` any more.

        Raises:
            SourceChanged: the object is another one by now.
            SourceError: it could not be had.
        """
        ...
