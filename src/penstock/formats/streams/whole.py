"""Streams of objects as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from penstock.errors import HeaderMismatch
from penstock.formats.magic import MAGIC_BYTES, kind_of
from penstock.formats.streams.packed import Packed
from penstock.formats.streams.packing import Packing
from penstock.formats.streams.protocols import ByteStream, Part
from penstock.manifest import Span
from penstock.sources import GetRange, ObjectInfo
from penstock.units import MIB

__all__ = ["CHUNK_BYTES", "open_stream"]

CHUNK_BYTES: Final = 4 * MIB
"""Read at a time."""
PIECE_BYTES: Final = 1 * MIB
"""Given at a time, so that what is made of it takes little."""
_PACKED: Final[dict[str, Literal["gzip", "zstd"]]] = {"gzip": "gzip", "Zstandard": "zstd"}


@dataclass(kw_only=True, slots=True)
class Plain:
    """An object that is not packed.

    Attributes:
        head: its first bytes, until they were given.
        block_bytes: about how many a part has.
    """

    source: GetRange
    info: ObjectInfo
    head: memoryview
    block_bytes: int

    @property
    def most_bytes(self) -> int:
        """Any: parts are cut where they should be."""
        return self.info.size_bytes

    @property
    def is_placed_at_once(self) -> bool:
        """It is."""
        return True

    async def chunks(self) -> AsyncIterator[bytes]:
        """Return the bytes; none are held once they were given."""
        read, self.head = self.head, memoryview(b"")
        end, size = len(read), self.info.size_bytes
        while True:
            for begin in range(0, len(read), PIECE_BYTES):
                yield bytes(read[begin : begin + PIECE_BYTES])
            del read  # while more is waited for
            if end >= size:
                return
            length = min(CHUNK_BYTES, size - end)
            read, end = await self.source.get_range(self.info, end, length), end + length

    def cut_after(self, begin: int) -> int | None:
        """Return what is a block further."""
        return begin + self.block_bytes

    def point_before(self, offset: int) -> int:
        """Return the offset: reading can begin anywhere."""
        return offset

    def placed(self, parts: list[Part]) -> Iterator[tuple[tuple[Span, ...], Packing | None]]:
        """Return a span a part."""
        for part in parts:
            yield (self.info.span(part.begin, part.end - part.begin),), None


async def open_stream(source: GetRange, info: ObjectInfo, *, block_bytes: int, what: str) -> ByteStream:
    """Return the stream of an object, that of what it unpacks to where it is packed by gzip or Zstandard.

    Args:
        block_bytes: about how many a part should have.
        what: it should be, for messages, like "text".

    Raises:
        HeaderMismatch: it is of a kind that is no stream.
        SourceError: it could not be read.
    """
    head = memoryview(await source.get_range(info, 0, min(max(CHUNK_BYTES, MAGIC_BYTES), info.size_bytes)))
    kind = kind_of(bytes(head[:MAGIC_BYTES]))
    how = _PACKED.get(kind)
    if how is not None:
        return Packed(how, source=source, info=info, head=bytes(head), block_bytes=block_bytes)
    if kind:
        raise HeaderMismatch(
            f"{info.key} is no {what}: it begins as {kind} does",
            fix="unpack it, and save it as UTF-8 text, or choose other files with match",
            about=info.key,
        )
    return Plain(source=source, info=info, head=head, block_bytes=block_bytes)
