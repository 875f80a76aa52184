"""Text: lines, documents with a mark between them, or whole files; each is a sample, ``str``."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.magic import kind_of
from penstock.formats.options import block_of, check_by, flag_of
from penstock.formats.protocols import ByObject, Found
from penstock.formats.streams import ByteStream, open_stream, read_line_blocks
from penstock.formats.streams.extents import Block, Counted, asked_rows, block_bytes, block_extents
from penstock.formats.streams.lines import BOM, LINE_END
from penstock.formats.streams.packing import unpacked_whole
from penstock.formats.whole import bytes_of, whole_extent
from penstock.manifest import Described
from penstock.sources import GetRange, ObjectInfo
from penstock.units import MIB

__all__ = ["Text"]

_BLANK_LINES: Final = re.compile(rb"\n[ \t\r]*\n")
_BEFORE: Final = re.compile(rb"\A(?:[ \t\r]*\n)+")
"""Blank lines before a document."""
_MOST_SEPARATOR_BYTES: Final = 1024
_BY: Final = ("line", "document", "file")


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """The format of UTF-8 text.

    Attributes:
        by: what a sample is: "line", without its end; "document", what lies between separators; "file".
        separator: of documents, like ``"<|endoftext|>"``; None is one blank line or more.
        blank: give lines of white space too.
        block: about how many bytes are fetched and decoded as one, like ``"4Mi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    by_object: ClassVar[ByObject] = "all"

    by: Literal["line", "document", "file"] = "line"
    separator: str | None = None
    blank: bool = False
    block: str | int = 4 * MIB

    def __post_init__(self) -> None:
        check_by(self.by, _BY)
        if self.separator is not None:
            _check_separator(self.separator, self.by)
        if flag_of("blank", self.blank) and self.by != "line":
            raise ConfigError(f"blank with by={self.by!r}", fix="leave it out: it is of lines")
        object.__setattr__(self, "block", block_of(self.block))

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a block of lines or documents, for which all is read; or the file, without reading it."""
        if self.by == "file":
            yield whole_extent(info)
            return
        stream = await open_stream(source, info, block_bytes=block_of(self.block), what="text")
        async with aclosing(block_extents(stream, info, self._blocks(stream, info))) as found:  # type: ignore[type-var]
            async for extent in found:
                yield extent

    async def _blocks(self, stream: ByteStream, info: ObjectInfo) -> AsyncIterator[Block]:
        counted = Counted()
        async with aclosing(read_line_blocks(stream, info, ends=self._ends, what=self.by)) as found:  # type: ignore[type-var]
            async for piece in found:
                _check_text(piece.data, f"{info.key}, line", piece.line, info.key)
                counted.add(piece.begin, piece.line, len(self._texts(piece.data)))
                if piece.is_last and (block := counted.take(piece.end)) is not None:
                    yield block
                del piece

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return texts."""
        if self.by == "file":
            return [_whole(bytes_of(data), about.key)] * len(numbers)
        texts = self._texts(block_bytes(data, about, codec))
        return [text.decode() for text in asked_rows(texts, about, numbers)]

    @property
    def _ends(self) -> re.Pattern[bytes]:
        """What ends a line or a document."""
        if self.by == "line":
            return LINE_END
        return _BLANK_LINES if self.separator is None else re.compile(re.escape(self.separator.encode()))

    def _texts(self, data: bytes) -> list[bytes]:
        """Return the samples of a block."""
        if self.by == "line":
            lines = data.split(b"\n")
            if self.blank:
                lines = lines if lines[-1] else lines[:-1]
                return [line.removesuffix(b"\r") for line in lines]
            return [line.removesuffix(b"\r") for line in lines if line and not line.isspace()]
        parts = self._ends.split(data)
        if self.separator is None:
            parts = [_BEFORE.sub(b"", part.rstrip()) for part in parts]
        return [part for part in parts if part and not part.isspace()]


def _whole(data: bytes, key: str) -> str:
    kind = kind_of(data)
    plain = unpacked_whole(data, key=key) if kind in ("gzip", "Zstandard") else data
    kind = kind_of(plain)
    if kind:
        raise DataError(
            f"{key} is no text: it begins as {kind} does",
            fix="unpack it, and save it as UTF-8 text, or choose other files with match",
            about=key,
        )
    _check_text(plain, f"{key}, line", 1, key)
    return plain.removeprefix(BOM).decode()


def _check_text(data: bytes, where: str, line: int, about: str) -> None:
    place = data.find(b"\0")
    what = "a zero byte, so it is no UTF-8 text"
    if place < 0:
        try:
            data.decode()
        except UnicodeDecodeError as error:
            place, what = error.start, f"not UTF-8 text (a byte is 0x{data[error.start]:02x})"
        else:
            return
    begin = data.rfind(b"\n", 0, place) + 1
    raise DataError(
        f"{where} {line + data.count(bytes([10]), 0, place)}, byte {place - begin + 1}: {what}",
        fix="save it again as UTF-8, or choose other files with match",
        about=about,
    )


def _check_separator(value: Any, by: str) -> None:
    if by != "document":
        raise ConfigError(f"separator with by={by!r}", fix='leave it out, or give by="document"')
    if not isinstance(value, str) or not value or len(value.encode(errors="replace")) > _MOST_SEPARATOR_BYTES:
        raise ConfigError(
            f"separator {str(value)[:40]!r}", fix=f"give text of 1 to {_MOST_SEPARATOR_BYTES} bytes, or leave it out"
        )
