"""Streams of objects that are packed by gzip or Zstandard."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Iterator
from typing import Final, Literal, Protocol

from penstock.errors import ConfigError, DataError, TruncatedObject
from penstock.formats.streams.inflate import Inflater, Point, has_zlib
from penstock.formats.streams.packing import Packing
from penstock.formats.streams.protocols import Part
from penstock.formats.streams.zstd import Unzstd
from penstock.manifest import Span
from penstock.sources import GetRange, ObjectInfo
from penstock.units import MIB

__all__ = ["CHUNK_BYTES", "MOST_POINTS", "Packed"]

CHUNK_BYTES: Final = 4 * MIB
"""Read at a time, packed; about what is given at a time."""
MOST_HELD_BYTES: Final = 256 * MIB
"""Of what is between two points, unpacked."""
MOST_POINTS: Final = 4096
"""Each of gzip's takes up to 44 KiB of a manifest, and of memory while it is made."""
_USUAL_POINTS: Final = 1024
_USUAL_RATIO: Final = 8
"""Bytes that one of text is packed from, at most, as a rule."""


class _Unpacker(Protocol):
    points: list[Point]

    @property
    def is_ended(self) -> bool: ...
    @property
    def read_bytes(self) -> int: ...
    def packed_end(self, unpacked: int) -> int: ...
    def feed(self, data: bytes) -> Iterator[bytes]: ...


class Packed:
    """An object that is packed, as what it unpacks to.

    Args:
        head: its first bytes.
        block_bytes: about how many a part should have, unpacked; of large objects they have more.

    Raises:
        ConfigError: what unpacks it is not there.
    """

    def __init__(
        self, how: Literal["gzip", "zstd"], *, source: GetRange, info: ObjectInfo, head: bytes, block_bytes: int
    ) -> None:
        if how == "gzip" and not has_zlib():
            raise ConfigError(
                f"{info.key} is packed by gzip, and the system's zlib (libz.so.1) is not there",
                fix="install it (zlib1g), or unpack what is packed",
            )
        self._how: Literal["gzip", "zstd"] = how
        self._source, self._info, self._head = source, info, head
        self._spacing = max(block_bytes, info.size_bytes * _USUAL_RATIO // _USUAL_POINTS)
        self._unpacker: _Unpacker = Inflater(self._spacing) if how == "gzip" else Unzstd(self._spacing)

    @property
    def most_bytes(self) -> int:
        """Most that is held until a part ends."""
        return max(MOST_HELD_BYTES, 4 * self._spacing)

    @property
    def is_placed_at_once(self) -> bool:
        """It is not: a part may end with a point further on."""
        return False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Return what it unpacks to, some MiB at a time."""
        size, data = self._info.size_bytes, self._head
        at = len(data)
        while data:
            pieces = self._unpacker.feed(data)
            while some := await asyncio.to_thread(self._some, pieces):
                yield some
            length = min(CHUNK_BYTES, size - at)
            data = bytes(await self._source.get_range(self._info, at, length)) if length else b""
            at += length
        if not self._unpacker.is_ended:
            raise TruncatedObject(
                f"{self._info.key} has {size} bytes and ends within what is packed in it",
                fix="the file was cut off: upload it again, or leave it out",
                about=self._info.key,
            )

    def _some(self, pieces: Iterator[bytes]) -> bytes:
        found = bytearray()
        try:
            for piece in pieces:
                found += piece
                if len(found) >= CHUNK_BYTES:
                    break
        except ValueError as error:
            raise DataError(
                f"{self._info.key} cannot be unpacked from about byte {self._unpacker.read_bytes} of "
                f"{self._info.size_bytes}: {error}",
                fix="pack it again (Zstandard in frames of some MiB, as `pzstd` does), or leave it out",
                about=self._info.key,
            ) from error
        if len(self._unpacker.points) > MOST_POINTS:
            raise DataError(
                f"{self._info.key} of {self._info.size_bytes} bytes unpacks to far more than text does",
                fix="give a larger block, or unpack it, or pack it again in several files",
                about=self._info.key,
            )
        return bytes(found)

    def cut_after(self, begin: int) -> int | None:
        """Return the next point that is about a block further."""
        points = self._unpacker.points
        place = bisect_left(points, begin + self._spacing // 2, key=lambda point: point.unpacked)
        return points[place].unpacked if place < len(points) else None

    def point_before(self, offset: int) -> int:
        """Return where unpacking begins for an offset."""
        return self._point(offset).unpacked

    def _point(self, offset: int) -> Point:
        points = self._unpacker.points
        return points[bisect_right(points, offset, key=lambda point: point.unpacked) - 1]

    def placed(self, parts: list[Part]) -> Iterator[tuple[tuple[Span, ...], Packing | None]]:
        """Return for each part a span, from the last point before it to where it was unpacked whole."""
        for part in parts:
            point = self._point(part.begin)
            end = min(self._unpacker.packed_end(part.end), self._info.size_bytes)
            packing = Packing(
                how=self._how,
                skip=part.begin - point.unpacked,
                length=part.end - part.begin,
                bits=point.bits,
                window=point.window,
            )
            yield (self._info.span(point.packed, end - point.packed),), packing
