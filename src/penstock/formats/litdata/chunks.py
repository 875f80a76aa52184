"""What stands before the items of a chunk: their number and the offsets of each and of the end; or frames of them.

All whole numbers are unsigned and little-endian, of 32 bits where nothing else is said.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import HeaderMismatch, TruncatedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB

__all__ = ["Frame", "PartOf", "lies", "read_arrow_end", "read_frames", "read_offsets"]

_BEGIN_BYTES: Final = 64 * KIB
_MOST_BEFORE_BYTES: Final = 64 * MIB
_FRAMED: Final = b"LDFZ01\0\0"
_FRAMES_HEAD: Final = struct.Struct("<8sHHIII")
_FRAME: Final = np.dtype(
    [("first", "<u4"), ("count", "<u4"), ("offset", "<u8"), ("packed", "<u4"), ("unpacked", "<u4")]
)
_ARROW_END: Final = b"LDARW01\0"
_ARROW_BEHIND: Final = 12
"""Behind an Arrow file: its length, and what tells that it is there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Items that are packed together.

    Attributes:
        offset: of their packed bytes in the chunk.
    """

    first: int
    count: int
    offset: int
    packed_bytes: int
    unpacked_bytes: int


async def read_offsets(source: GetRange, info: ObjectInfo) -> NDArray[np.int64]:
    """Return the offsets of a chunk's items, and of the end of the last, shape (items + 1,).

    Raises:
        HeaderMismatch: it is no chunk, or contradicts itself.
        TruncatedObject: it ends before its last item does.
    """
    begin = await _begin(source, info, 4)
    count = int.from_bytes(begin[:4], "little")
    end = 4 + 4 * (count + 1)
    if end > min(info.size_bytes, _MOST_BEFORE_BYTES):
        raise lies(info, f"byte 0 tells of {count} items, whose offsets alone take {end} of {info.size_bytes} bytes")
    offsets = np.frombuffer(await _more(source, info, begin, end), "<u4", count + 1, 4).astype(np.int64)
    wrong = np.flatnonzero(np.diff(offsets) < 0)
    if offsets[0] != end or len(wrong):
        at = int(wrong[0]) + 1 if len(wrong) else 0
        raise lies(info, f"byte {4 + 4 * at} tells that item {at} begins at byte {offsets[at]}")
    if int(offsets[-1]) > info.size_bytes:
        raise _cut_off(info, f"before its last item ends, at byte {offsets[-1]}")
    return offsets


async def read_frames(source: GetRange, info: ObjectInfo) -> list[Frame]:
    """Return the frames of a chunk whose items are packed many together.

    Raises:
        HeaderMismatch: it is no such chunk, or contradicts itself.
        TruncatedObject: it ends before its last frame does.
    """
    begin = await _begin(source, info, _FRAMES_HEAD.size)
    magic, version, _, items, _, count = _FRAMES_HEAD.unpack_from(begin)
    if magic != _FRAMED or version != 1:
        raise lies(info, "it does not begin as a chunk of frames does (LDFZ01, version 1)")
    table = _FRAMES_HEAD.size + 4 * (items + 1)
    end = table + _FRAME.itemsize * count
    if end > min(info.size_bytes, _MOST_BEFORE_BYTES):
        raise lies(info, f"it tells of {items} items in {count} frames, in {info.size_bytes} bytes")
    rows = np.frombuffer(await _more(source, info, begin, end), _FRAME, count, table)
    found, first, place = [], 0, end
    for number, (own, length, offset, packed, unpacked) in enumerate(rows.tolist()):
        if own != first or not length or offset < place or not packed:
            raise lies(info, f"its frame {number} is of items from {own} on, at byte {offset}")
        if offset + packed > info.size_bytes:
            raise _cut_off(info, f"within its frame {number}, which ends at byte {offset + packed}")
        found.append(Frame(first=own, count=length, offset=offset, packed_bytes=packed, unpacked_bytes=unpacked))
        first, place = first + length, offset + packed
    if first != items:
        raise lies(info, f"it tells of {items} items, and of {first} in its frames")
    return found


async def read_arrow_end(source: GetRange, info: ObjectInfo, behind: int) -> tuple[int, int]:
    """Return where the Arrow file lies that a chunk of nested rows ends with: its begin and its end.

    Args:
        behind: which byte of the chunk it begins at or behind.

    Raises:
        HeaderMismatch: there is none.
    """
    size = info.size_bytes
    if size - behind > _ARROW_BEHIND:
        end = bytes(await source.get_range(info, size - _ARROW_BEHIND, _ARROW_BEHIND))
        length = int.from_bytes(end[:4], "little")
        if end[4:] == _ARROW_END and 0 < length <= size - _ARROW_BEHIND - behind:
            return size - _ARROW_BEHIND - length, size - _ARROW_BEHIND
    raise lies(info, f"its items end at byte {behind} of {size}, and it does not end with rows of Arrow")


class PartOf:
    """A part of an object, as a source of it alone."""

    def __init__(self, source: GetRange, info: ObjectInfo, begin: int, size_bytes: int) -> None:
        self._source, self._info, self._begin = source, info, begin
        self.info = msgspec.structs.replace(info, size_bytes=size_bytes)

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Return bytes of the part."""
        return await self._source.get_range(self._info, self._begin + offset, length_bytes)


async def _begin(source: GetRange, info: ObjectInfo, least: int) -> bytes:
    if info.size_bytes < least:
        raise _cut_off(info, "before its first item")
    return bytes(await source.get_range(info, 0, min(_BEGIN_BYTES, info.size_bytes)))


async def _more(source: GetRange, info: ObjectInfo, begin: bytes, end: int) -> bytes:
    if end <= len(begin):
        return begin
    return begin + bytes(await source.get_range(info, len(begin), end - len(begin)))


def _cut_off(info: ObjectInfo, where: str) -> TruncatedObject:
    return TruncatedObject(
        f"{info.key} ends after {info.size_bytes} bytes, {where}",
        fix="the chunk was cut off: upload it again, or leave it out",
        about=info.key,
    )


def lies(info: ObjectInfo, what: str) -> HeaderMismatch:
    """Make the error of a chunk that is none, or contradicts itself."""
    return HeaderMismatch(
        f"{info.key} is no chunk of LitData that can be read: {what}",
        fix="write it again, or choose other files with match",
        about=info.key,
    )
