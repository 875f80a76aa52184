"""Members of a ZIP file: where they lie, and their bytes again, bounded and checked."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

from penstock.errors import DataError, HeaderMismatch
from penstock.formats.zip.directory import LOCAL_BYTES, LOCAL_MAGIC, Entry
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB

__all__ = ["member_bytes", "spans_of"]

MOST_GAP_BYTES: Final = 4 * KIB
"""Between two members of a sample, and behind one, up to which what lies there is read too."""
_FIELDS: Final = 5
"""Numbers that a member has among those of its extent."""


async def spans_of(
    source: GetRange, info: ObjectInfo, members: Sequence[tuple[Entry, int]]
) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """Return where members lie, and the numbers that ``member_bytes`` reads them by.

    Args:
        members: in order, each with where the next thing in the file begins.
    """
    spans: list[tuple[int, int]] = []
    numbers: list[int] = []
    done = 0
    for entry, end in members:
        # A local header may be longer than the directory tells; where the file has much behind a member, it is asked.
        if end - (entry.offset + entry.least + entry.packed) > MOST_GAP_BYTES:
            end = min(end, entry.offset + await _header_bytes(source, info, entry) + entry.packed)
        if spans and entry.offset - spans[-1][1] <= MOST_GAP_BYTES:
            spans[-1] = (spans[-1][0], end)
        else:
            done += spans[-1][1] - spans[-1][0] if spans else 0
            spans.append((entry.offset, end))
        numbers += [done + entry.offset - spans[-1][0], entry.packed, entry.size, entry.crc, entry.method]
    return spans, tuple(numbers)


async def _header_bytes(source: GetRange, info: ObjectInfo, entry: Entry) -> int:
    header = bytes(await source.get_range(info, entry.offset, LOCAL_BYTES))
    if not header.startswith(LOCAL_MAGIC):
        raise HeaderMismatch(
            f"{info.key} has no header of {entry.name!r} at byte {entry.offset}",
            fix="the file is damaged: write it again, or leave it out",
            about=info.key,
        )
    return LOCAL_BYTES + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


def member_bytes(data: Any, numbers: Sequence[int], place: int, *, key: str, about: str) -> bytes:
    """Return the bytes of a member.

    Args:
        data: of its extent.
        numbers: of all its members.
        place: which of them it is.
        key: of it, for messages.
        about: key of the extent.

    Raises:
        DataError: they are not what the directory told.
    """
    start, packed, size, crc, method = numbers[_FIELDS * place : _FIELDS * (place + 1)]
    header = bytes(data[start : start + LOCAL_BYTES])
    begin = start + LOCAL_BYTES + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    wrong = ""
    body = b""
    if not header.startswith(LOCAL_MAGIC):
        wrong = "there is no header before it"
    elif begin + packed > len(data):
        wrong = "its header is longer than there is room for"
    else:
        try:
            body = _unpack(bytes(data[begin : begin + packed]), method, size)
        except zlib.error as error:
            wrong = str(error)
    if not wrong and len(body) != size:
        wrong = f"it unpacks to {'more' if len(body) > size else 'fewer'} than {size} bytes"
    if not wrong and zlib.crc32(body) != crc:
        wrong = "its checksum is another"
    if wrong:
        raise DataError(f"{key} cannot be read: {wrong}", fix="write it again, or leave it out", about=about)
    return body


def _unpack(packed: bytes, method: int, size: int) -> bytes:
    """Return at most one byte more than a member should have."""
    if method == 0:
        return packed
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size + 1)
