"""Blocks of whole lines of a stream, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from penstock.errors import DataError
from penstock.formats.streams.protocols import ByteStream
from penstock.sources import ObjectInfo
from penstock.units import MIB, format_bytes

__all__ = ["BOM", "MOST_LINE_BYTES", "LineBlock", "check_held", "read_line_blocks"]

MOST_LINE_BYTES: Final = 64 * MIB
"""Of one line, or of anything else that is not cut."""
BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, slots=True)
class LineBlock:
    """Whole lines that lie together.

    Attributes:
        line: of the first of them, from 1.
        begin: offset in the stream of the first byte.
        data: from it on, with the end of the last line.
    """

    line: int
    begin: int
    data: bytes


async def read_line_blocks(stream: ByteStream, info: ObjectInfo) -> AsyncIterator[LineBlock]:
    """Return all lines of a stream in blocks that end where the stream is best cut, or a line later.

    A byte order mark at its begin is of no line.

    Raises:
        DataError: a line is too long, or the stream cannot be unpacked, or not be cut.
        SourceError: it could not be read.
    """
    begin, line, held, is_first = 0, 1, b"", True
    async for chunk in stream.chunks():
        held += chunk
        if is_first and len(held) >= len(BOM):
            is_first = False
            if held.startswith(BOM):
                begin, held = len(BOM), held[len(BOM) :]
        while (cut := stream.cut_after(begin)) is not None and cut <= begin + len(held):
            end = held.find(b"\n", max(0, cut - begin - 1)) + 1
            if not end:
                break
            block = held[:end]
            yield LineBlock(line=line, begin=begin, data=block)
            line += block.count(b"\n")
            begin, held = begin + end, held[end:]
        check_held(stream, info, len(held))
        if len(held) - (held.rfind(b"\n") + 1) > MOST_LINE_BYTES:
            raise DataError(
                f"{info.key}, line {line + held.count(bytes([10]))}: a line of more than "
                f"{format_bytes(MOST_LINE_BYTES)}",
                fix="check that the file is what it is taken for, and that its lines end with a line feed",
                about=info.key,
            )
    if held:
        yield LineBlock(line=line, begin=begin, data=held)


def check_held(stream: ByteStream, info: ObjectInfo, held_bytes: int) -> None:
    """Refuse to hold more of a stream than a part may have.

    Raises:
        DataError: it is more.
    """
    if held_bytes > stream.most_bytes:
        raise DataError(
            f"{info.key} is packed in one piece of more than {format_bytes(stream.most_bytes)} unpacked, of which no "
            "part can be read alone",
            fix="pack it again in frames of some MiB, as `pzstd` does, or unpack it",
            about=info.key,
        )
