"""Blocks of whole lines, or of what else ends with a mark of its own, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from penstock.errors import DataError
from penstock.formats.streams.protocols import ByteStream
from penstock.sources import ObjectInfo
from penstock.units import MIB, format_bytes

__all__ = ["BOM", "LINE_END", "MOST_LINE_BYTES", "LineBlock", "check_held", "read_line_blocks"]

MOST_LINE_BYTES: Final = 64 * MIB
"""Of one line, or of anything else that is not cut."""
LINE_END: Final = re.compile(rb"\n")
BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, slots=True)
class LineBlock:
    """Whole lines that lie together: a block, or a piece of one, so that blocks need not be held.

    Attributes:
        line: of the first of them, from 1.
        begin: offset in the stream of the first byte.
        data: from it on, with the end of the last line.
        is_last: whether its block ends with it.
    """

    line: int
    begin: int
    data: bytes
    is_last: bool

    @property
    def end(self) -> int:
        """Offset in the stream behind the last byte."""
        return self.begin + len(self.data)


async def read_line_blocks(
    stream: ByteStream, info: ObjectInfo, *, ends: re.Pattern[bytes] = LINE_END, what: str = "line"
) -> AsyncIterator[LineBlock]:
    """Return all lines of a stream in blocks that end where the stream is best cut, or a line later.

    Blocks of lines come in pieces where it is known from the begin where they are cut: a piece is what was read at a
    time. A byte order mark at the stream's begin is of no line.

    Args:
        ends: what ends a line, or what is read instead of lines, which is called ``what``.

    Raises:
        DataError: a line is too long, or the stream cannot be unpacked, or not be cut.
        SourceError: it could not be read.
    """
    begin, at, line, held, is_first = 0, 0, 1, b"", True
    async for chunk in stream.chunks():
        held += chunk
        del chunk  # what waits for more of many objects holds it once
        if is_first and len(held) >= len(BOM):
            is_first = False
            if held.startswith(BOM):
                begin, at, held = len(BOM), len(BOM), held[len(BOM) :]
        while (cut := stream.cut_after(begin)) is not None:
            end = _first_end(ends, held, cut - at) if cut <= at + len(held) else 0
            is_last = bool(end)
            if not is_last and ends is LINE_END:
                end = held.rfind(b"\n") + 1
            if not end:
                break
            block, held = held[:end], held[end:]
            first, line, at = line, line + block.count(b"\n"), at + end
            yield LineBlock(line=first, begin=at - end, data=block, is_last=is_last)
            del block
            if is_last:
                begin = at
        check_held(stream, info, at + len(held) - begin)
        rest = _last_end(ends, held)
        if len(held) - rest > MOST_LINE_BYTES:
            raise DataError(
                f"{info.key}, line {line + held.count(bytes([10]), 0, rest)}: a {what} of more than "
                f"{format_bytes(MOST_LINE_BYTES)}",
                fix=f"check that the file is what it is taken for, and what its {what}s end with",
                about=info.key,
            )
    if held or at > begin:
        yield LineBlock(line=line, begin=at, data=held, is_last=True)


def _first_end(ends: re.Pattern[bytes], held: bytes, least: int) -> int:
    """Return the first end of a line at or behind a place; 0 where there is none yet.

    Of marks that may overlap each other those count that are found from the begin.
    """
    if ends is LINE_END:
        return held.find(b"\n", max(0, least - 1)) + 1
    return next((found.end() for found in ends.finditer(held) if found.end() >= least), 0)


def _last_end(ends: re.Pattern[bytes], held: bytes) -> int:
    """Return what comes behind the last end, of what is held and too long to be let through unseen."""
    if len(held) <= MOST_LINE_BYTES:
        return 0
    return max((found.end() for found in ends.finditer(held)), default=0)


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
