"""Where rows of a table of text begin and end, found by Python's own csv reader, in bounded memory.

Only as much of an object is held as a block takes, and the row that it is cut in. What is no row is an error that names
the object, the line that the row begins on, and what stands there.
"""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from penstock.errors import DataError, HeaderMismatch
from penstock.formats.magic import MAGIC_BYTES, kind_of
from penstock.formats.streams import ByteStream, Part, open_stream
from penstock.formats.streams.lines import BOM, check_held
from penstock.formats.tables import number
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import counted
from penstock.units import MIB, format_bytes

__all__ = ["Block", "Dialect", "TextTable", "open_table", "read_blocks", "row_lines"]

MOST_ROW_BYTES: Final = 16 * MIB
"""Of one row."""
DELIMITERS: Final = ",\t;|"
SHOWN: Final = 40
"""Characters of a cell or a line that messages show."""
_QUOTED: Final = re.compile(rb'"[^"]*"')


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How a table is written.

    Attributes:
        header: names of its columns, in order; empty for a column without a name.
        start: offset of the first byte behind the header, in what the table's stream gives.
        line: of the first line behind the header, from 1.
    """

    delimiter: str
    header: tuple[str, ...]
    start: int
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Whole rows that lie together.

    Attributes:
        line: that the first of them begins on.
        first_row: number of the first of them in the file, from 0, the header not counted.
        part: where they lie in the table's stream.
        data: their bytes.
    """

    line: int
    first_row: int
    part: Part
    num_rows: int
    data: bytes


@dataclass(kw_only=True, slots=True)
class TextTable:
    """A table whose header was read.

    Attributes:
        chunks: of its stream, that come behind ``rest``.
        rest: what was read behind the header.
    """

    info: ObjectInfo
    dialect: Dialect
    stream: ByteStream
    chunks: AsyncIterator[bytes]
    rest: bytes

    def take_rest(self) -> bytes:
        """Return what was read behind the header; it is not held any more then."""
        rest, self.rest = self.rest, b""
        return rest


@dataclass(frozen=True, slots=True)
class _Row:
    """A row; ``end`` is the offset behind it in the bytes that it was found in, ``next_line`` the line there."""

    cells: list[str]
    line: int
    end: int
    next_line: int


@asynccontextmanager
async def open_table(
    source: GetRange, info: ObjectInfo, *, block_bytes: int, delimiter: str | None, names: Sequence[str] | None
) -> AsyncIterator[TextTable]:
    """Read a table's header; its rows can be read once then.

    Args:
        block_bytes: about how many a block should have, unpacked where the table is packed.
        delimiter: between cells; None is the one that the first line has most of.
        names: of the columns, where the object has no header; None reads it.

    Raises:
        HeaderMismatch: it has none, or it isn't a table of text.
        DataError: it cannot be unpacked.
        SourceError: it could not be read.
    """
    stream = await open_stream(source, info, block_bytes=block_bytes, what="table of text")
    async with aclosing(stream.chunks()) as chunks:  # type: ignore[type-var]
        dialect, rest = await _read_dialect(chunks, info, delimiter, names)
        table = TextTable(info=info, dialect=dialect, stream=stream, chunks=chunks, rest=rest)
        del rest
        yield table


async def _read_dialect(
    chunks: AsyncIterator[bytes], info: ObjectInfo, delimiter: str | None, names: Sequence[str] | None
) -> tuple[Dialect, bytes]:
    """Read how a table is written, and what was read behind its header."""
    head, is_whole = b"", False
    while True:
        chunk = await anext(chunks, None)
        head, is_whole = head + (chunk or b""), chunk is None
        if len(head) < MAGIC_BYTES and not is_whole:
            continue
        begin = len(BOM) if head.startswith(BOM) else 0
        _check_text(head, info)
        found = delimiter or _delimiter_of(head[begin:])
        first = next((row for row in _rows(head[begin:], info, 1, found, is_end=is_whole) if row.cells), None)
        if first is not None or is_whole:
            break
        if len(head) > MOST_ROW_BYTES:
            raise _too_long(info, 1)
    if names is not None:
        return Dialect(delimiter=found, header=tuple(names), start=begin, line=1), head[begin:]
    if first is None:
        raise HeaderMismatch(
            f"{info.key} has no header", fix="write the columns' names in its first line", about=info.key
        )
    header = tuple(cell.strip() for cell in first.cells)
    _check_header(header, info)
    start = begin + first.end
    return Dialect(delimiter=found, header=header, start=start, line=first.next_line), head[start:]


async def read_blocks(table: TextTable) -> AsyncIterator[Block]:
    """Return all rows of a table, in blocks that end where its stream is best cut, or a row later.

    Raises:
        DataError: a row is none, or has more or fewer cells than the header, or the table cannot be unpacked or cut.
        SourceError: it could not be read.
    """
    info, stream, dialect = table.info, table.stream, table.dialect
    at, line, held, is_end = dialect.start, dialect.line, table.take_rest(), False
    done, num_rows, first_line, first_row = 0, 0, line, 0
    while True:
        _check_zeros(held[done:], info, line)
        begin, start, cut = 0, done, stream.cut_after(at)
        for row in _rows(held[start:], info, line, dialect.delimiter, is_end=is_end):
            if row.cells:
                _check_width(row, len(dialect.header), info)
                first_line = first_line if num_rows else row.line
                num_rows += 1
            done, line = start + row.end, row.next_line
            if num_rows and cut is not None and at + done >= cut:
                part = Part(begin=at + begin, end=at + done)
                yield Block(line=first_line, first_row=first_row, part=part, num_rows=num_rows, data=held[begin:done])
                begin, first_row, num_rows = done, first_row + num_rows, 0
                cut = stream.cut_after(at + begin)
        if len(held) - done > MOST_ROW_BYTES:
            raise _too_long(info, line)
        held, at, done = held[begin:], at + begin, done - begin
        if is_end:
            break
        check_held(stream, info, len(held))
        chunk = await anext(table.chunks, None)
        held, is_end = held + (chunk or b""), chunk is None
        del chunk  # what waits for more of many objects holds it once
    if num_rows:
        part = Part(begin=at, end=at + len(held))
        yield Block(line=first_line, first_row=first_row, part=part, num_rows=num_rows, data=held)


def row_lines(block: Block, info: ObjectInfo, delimiter: str) -> list[int]:
    """Return the line that each row of a block begins on."""
    return [row.line for row in _rows(block.data, info, block.line, delimiter, is_end=True) if row.cells]


def _rows(data: bytes, info: ObjectInfo, line: int, delimiter: str, *, is_end: bool) -> Iterator[_Row]:
    """Return the whole rows of some bytes, which begin with one; a blank line is one without cells.

    Args:
        line: of the first.
        is_end: whether the last row ends with the bytes; else it may go on behind them, and is not given.
    """
    end, has_ended = 0, False

    def lines() -> Iterator[str]:
        nonlocal end, has_ended
        while (cut := data.find(b"\n", end)) >= 0:
            begin, end = end, cut + 1
            yield data[begin:end].decode()
        if is_end and end < len(data):
            begin, end = end, len(data)
            yield data[begin:].decode()
        has_ended = True

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        begin, row_line = end, line + reader.line_num
        # The limit of a cell is the process's, 128 KiB where nobody changed it.
        usual = csv.field_size_limit(MOST_ROW_BYTES)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            raise DataError(
                f"{info.key}, line {line + reader.line_num}: not UTF-8 text "
                f"(a byte is 0x{error.object[error.start]:02x})",
                fix="save it again as UTF-8",
                about=info.key,
            ) from error
        except csv.Error as error:
            if has_ended and not is_end:
                return
            raise _no_row(data[begin:], info, row_line, str(error), is_open=has_ended) from error
        finally:
            csv.field_size_limit(usual)
        yield _Row(cells, row_line, end, line + reader.line_num)


def _no_row(rest: bytes, info: ObjectInfo, line: int, why: str, *, is_open: bool) -> DataError:
    begins = rest.partition(b"\n")[0][: 4 * SHOWN].decode(errors="replace")
    if is_open:
        why = "a quoted cell does not end"
    elif "new-line" in why:
        why = "a line ends with a carriage return alone"
    return DataError(
        f"{info.key}, line {line}: {why} (the row begins with {_shown(begins)})",
        fix='close quotes, double those within a quoted cell ("a ""b"" c"), and end lines with a line feed',
        about=info.key,
    )


def _check_width(row: _Row, width: int, info: ObjectInfo) -> None:
    if len(row.cells) != width:
        raise DataError(
            f"{info.key}, line {row.line}: {counted(len(row.cells), 'cell')} where the header has {width}; the row "
            f"begins with {_shown(row.cells[0])}",
            fix="write as many cells as there are columns, or choose what is between them with delimiter",
            about=info.key,
        )


def _check_header(header: Sequence[str], info: ObjectInfo) -> None:
    twice = next((name for place, name in enumerate(header) if name and name in header[:place]), "")
    if twice:
        raise HeaderMismatch(
            f"{info.key}, line 1: the column {_shown(twice)} comes twice", fix="rename or remove one", about=info.key
        )
    if not any(header) or all(number(cell) is not None for cell in header if cell):
        shown = ", ".join(header[:4])
        raise HeaderMismatch(
            f"{info.key} has no header: its first line has no names, but {_shown(shown)}",
            fix="write the columns' names there, or give them with the option names",
            about=info.key,
        )


def _check_text(head: bytes, info: ObjectInfo) -> None:
    kind = kind_of(head)
    if kind:  # of what is packed: the object itself was looked at when it was opened
        raise HeaderMismatch(
            f"{info.key} is no table of text: what is packed in it begins as {kind} does",
            fix="unpack it, and save it as UTF-8 text, or choose other files with match",
            about=info.key,
        )
    _check_zeros(head, info, 1)


def _check_zeros(data: bytes, info: ObjectInfo, line: int) -> None:
    place = data.find(b"\0")
    if place >= 0:
        line += data.count(b"\n", 0, place)
        raise DataError(
            f"{info.key}, line {line}: a zero byte, so it is no UTF-8 text",
            fix="save it again as UTF-8, or choose other files with match",
            about=info.key,
        )


def _delimiter_of(head: bytes) -> str:
    """Return what a header has most of between its cells."""
    line = _QUOTED.sub(b"", head.lstrip(b"\r\n").partition(b"\n")[0])
    return max(DELIMITERS, key=lambda mark: line.count(mark.encode()))


def _too_long(info: ObjectInfo, line: int) -> DataError:
    return DataError(
        f"{info.key}, line {line}: a row of more than {format_bytes(MOST_ROW_BYTES)}",
        fix="check that a quote is closed, and that the file is a table of text",
        about=info.key,
    )


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}…")
