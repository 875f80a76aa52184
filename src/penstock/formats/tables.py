"""Tables of text, comma- or tab-separated, read strictly: what does not add up is an error, never a shifted row.

Cells may be quoted, and then hold separators, line breaks and doubled quotes (RFC 4180). Every row has as many cells
as the header, no column comes twice, the text is UTF-8 with or without a byte order mark, lines end as they like.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.errors import DataError
from penstock.texts import nearest

__all__ = ["MISSING", "Row", "Table", "is_missing", "number", "open_table", "read_table", "require_columns"]

MISSING: Final = frozenset({"", "n/a", "na", "nan", "none", "null"})
SHOWN: Final = 40
"""Characters of a cell that messages show."""
COLUMNS_SHOWN: Final = 30
MOST: Final = 1e38
"""Of a number, so that squares of many fit into 64 bits, and itself into 32."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row.

    Attributes:
        line: of the file, from 1, that it begins on.
        cells: by column, stripped.
    """

    table: str
    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def number(self, column: str) -> float | None:
        """Return a cell's number, None where it says that there is none (``n/a``, empty).

        Raises:
            DataError: it holds something else.
        """
        if is_missing(self.cells[column]):
            return None
        value = number(self.cells[column])
        if value is None:
            raise self.error(f"{column} is {_shown(self.cells[column])}, which is no number")
        if abs(value) > MOST:
            raise self.error(
                f"{column} is {_shown(self.cells[column])}, more than {MOST:.2g}, the most to compute with"
            )
        return value

    def error(self, what: str, *, fix: str = "correct the table, or write n/a where a value is not known") -> DataError:
        """Make an error that names the file and the line."""
        return DataError(f"{self.table}, line {self.line}: {what}", fix=fix, about=self.table)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A whole table."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def require(self, columns: Sequence[str], *, fix: str) -> None:
        """Check that columns are there.

        Raises:
            DataError: one is not.
        """
        require_columns(self.columns, columns, name=self.name, fix=fix)


def require_columns(have: Sequence[str], wanted: Sequence[str], *, name: str, fix: str) -> None:
    """Check that a table has columns.

    Raises:
        DataError: one is not there; names the nearest one that is.
    """
    named = [column for column in have if column]
    missing = [column for column in wanted if column not in named]
    if missing:
        near = nearest(missing[0], named)
        shown = ", ".join(named[:COLUMNS_SHOWN]) + (", …" if len(named) > COLUMNS_SHOWN else "")
        raise DataError(
            f"{name} has no column {', '.join(missing)} (it has {shown or 'no columns'})",
            fix=f"did you mean {near!r}? {fix}" if near else fix,
            about=name,
        )


def read_table(data: bytes, *, name: str, delimiter: str = "\t") -> Table:
    """Read a table with a header row.

    Args:
        name: of the file, for messages.

    Raises:
        DataError: it is no such table; names the file, and the line and value at fault.
    """
    columns, rows = open_table(data, name=name, delimiter=delimiter)
    return Table(name=name, columns=columns, rows=tuple(rows))


def open_table(data: bytes, *, name: str, delimiter: str = "\t") -> tuple[tuple[str, ...], Iterator[Row]]:
    """Return a table's columns, and its rows one by one: for tables of millions.

    Raises:
        DataError: it is no such table; of a row when it comes to it.
    """
    lines = _rows(_text(data, name), name, delimiter)
    columns = tuple(next(lines, (1, []))[1])
    for place, column in enumerate(columns):
        if column and column in columns[:place]:
            raise DataError(
                f"{name}, line 1: the column {_shown(column)} comes twice", fix="rename or remove one", about=name
            )
    return columns, _checked(lines, columns, name)


def _checked(lines: Iterator[tuple[int, list[str]]], columns: Sequence[str], name: str) -> Iterator[Row]:
    for line, cells in lines:
        if len(cells) != len(columns):
            raise DataError(
                f"{name}, line {line}: {len(cells)} cells where the header has {len(columns)}; the row begins with "
                f"{_shown(cells[0])}",
                fix="write as many cells as there are columns, n/a where there is no value",
                about=name,
            )
        yield Row(table=name, line=line, cells=dict(zip(columns, cells, strict=True)))


def is_missing(cell: str) -> bool:
    """Say whether a cell says that there is no value."""
    return cell.lower() in MISSING


def number(cell: str, *, infinite: bool = False) -> float | None:
    """Return a cell's number, None where it holds none (``n/a``, empty, text; infinite unless that may be)."""
    if is_missing(cell) or "_" in cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) or (infinite and not math.isnan(value)) else None


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}, line {line}: not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x})",
            fix="save it again as UTF-8",
            about=name,
        ) from error
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise DataError(
            f"{name}, line {line}: a zero byte, so it is no UTF-8 text", fix="save it again as UTF-8", about=name
        )
    return text


def _rows(text: str, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Return rows with the line each begins on; blank lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            where = text.splitlines()[line - 1 : line] or [""]
            raise DataError(
                f"{name}, line {line}: {error} (the row begins with {_shown(where[0])})",
                fix='close quotes, and double those within a quoted cell: "a ""b"" c"',
                about=name,
            ) from error
        if cells is None:
            return
        cells = [cell.strip() for cell in cells]
        if len(cells) > 1 or any(cells):
            yield line, cells


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}…")
