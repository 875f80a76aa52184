"""What a source can do, one verb a protocol (after obspec)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from penstock.manifest import Span

__all__ = ["FindObject", "GetRange", "ListObjects", "ObjectInfo", "ReadBeside", "ReadInto", "archived", "object_of"]

_ARCHIVED = "is archived"


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One object of a listing.

    Attributes:
        key: relative to the source's prefix.
        version: what names its content for good (an ETag, a checksum), as far as the source knows.
        validator: what a request must send to be refused another version, empty where nothing is known or needed;
            None where the version is that itself, as an ETag is.
        trouble: why its bytes cannot be had, as a phrase that goes on from its key; empty where they can.
        storage_class: that it lies in, as the store calls it; empty where it tells none.
    """

    key: str
    size_bytes: int
    version: str
    validator: str | None = None
    trouble: str = ""
    storage_class: str = ""

    @property
    def is_archived(self) -> bool:
        """It cannot be read before it is restored."""
        return self.trouble.startswith(_ARCHIVED)

    @property
    def is_empty(self) -> bool:
        """It has no bytes, as markers of folders: not where its size was not to be had."""
        return not self.size_bytes and not self.trouble

    @property
    def validated_by(self) -> str:
        """What a request must send to be refused another version."""
        return self.version if self.validator is None else self.validator

    def span(self, offset: int, length_bytes: int) -> Span:
        """Return a run of its bytes, as extents have them."""
        return Span(
            object=self.key,
            version=self.version,
            validator=self.validator,
            object_bytes=self.size_bytes,
            offset=offset,
            length_bytes=length_bytes,
        )


def archived(storage_class: str) -> str:
    """Return the trouble of an object that lies in such a class, or tier, and cannot be read before it is restored."""
    return f"{_ARCHIVED} ({storage_class})"


def object_of(span: Span) -> ObjectInfo:
    """Return the object that a span is of."""
    return ObjectInfo(key=span.object, size_bytes=span.object_bytes, version=span.version, validator=span.validator)


class ListObjects(Protocol):
    """Lists objects."""

    def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """Return the objects in the folder ``prefix`` (empty: all), in pages, in the store's order."""
        ...


class GetRange(Protocol):
    """Reads a part of an object."""

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Return ``length_bytes`` bytes from ``offset`` of the very version that ``info`` names.

        Raises:
            SourceChanged: the object is another one by now.
            SourceError: it could not be had.
        """
        ...


class FindObject(Protocol):
    """Finds an object by its key."""

    async def find(self, key: str) -> ObjectInfo | None:
        """Return one object, None where there is none of that key.

        Raises:
            SourceError: that could not be told.
        """
        ...


class ReadBeside(Protocol):
    """Reads small objects that tell of many others."""

    async def beside(self, key: str) -> tuple[ObjectInfo, bytes] | None:
        """Return an object with its bytes, None where there is none of that key; it is found and read once.

        Raises:
            SourceError: it could not be had, or is no small one.
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
