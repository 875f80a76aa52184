"""The format of tables of text: comma-, tab- or otherwise separated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.codec import Codec
from penstock.formats.csv.cells import read_cells, to_numbers
from penstock.formats.csv.scanning import Block, Dialect, TextTable, open_table, read_blocks, row_lines
from penstock.formats.group_text import group_texts
from penstock.formats.options import block_of, column_of, names_of, packed_endings
from penstock.formats.protocols import ByObject, Found
from penstock.formats.rows import block_rows
from penstock.formats.streams import Packing, unpacked
from penstock.formats.streams.extents import Block as Listed
from penstock.formats.values import Rows, some_rows
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import MIB

__all__ = ["Csv", "csv_table", "no_number", "table_extents"]

_SHOWN = 20
"""Names that an error lists."""


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an extent's bytes are; ``packing`` is how they are unpacked, none where they are as they stand."""

    kind: ClassVar[str] = "tables of text"

    delimiter: str
    header: tuple[str, ...]
    packing: Packing | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Csv:
    """The format of tables of text with a header.

    Attributes:
        columns: names of those whose values are given; None is all that have a name.
        numbers: names of those that are given as numbers, NaN where there is none; the others are text, as it stands.
        delimiter: one character between cells; None is what the header has most of, of ``, tab ; |``.
        names: of all columns, of tables that have no header.
        block: about how many bytes of rows are fetched and decoded as one, like ``"4Mi"``.
        group_by: name of the column whose text is each row's group, by which rows may be split; None tells no groups.

    Raises:
        ConfigError: an option cannot be used.
    """

    by_object: ClassVar[ByObject] = "all"
    table_endings: ClassVar[tuple[str, ...]] = packed_endings("csv", "tsv", "tab")

    columns: Sequence[str] | None = None
    numbers: Sequence[str] | None = None
    delimiter: str | None = None
    names: Sequence[str] | None = None
    block: str | int = 4 * MIB
    group_by: str | None = None

    def __post_init__(self) -> None:
        for name in ("columns", "numbers", "names"):
            object.__setattr__(self, name, names_of(name, getattr(self, name)))
        for name in ("columns", "names"):
            _check_once(name, getattr(self, name) or ())
        if self.delimiter is not None:
            _check_delimiter(self.delimiter)
        column_of("group_by", self.group_by)
        object.__setattr__(self, "block", block_of(self.block))

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a block of rows; all of the object is read, some MiB at a time."""
        blocks, has_rows = [], False
        block_bytes = block_of(self.block)
        async with open_table(
            source, info, block_bytes=block_bytes, delimiter=self.delimiter, names=self.names
        ) as table:
            self._chosen(table.dialect.header, info.key)
            async for block in read_blocks(table):
                self._check_numbers(block, table.dialect, info)
                groups = self._groups(block, table.dialect)
                has_rows = True
                blocks.append(Listed(name=block.line, part=block.part, num_rows=block.num_rows, groups=groups))
                if table.stream.is_placed_at_once:
                    yield next(table_extents(table, blocks))
                    blocks.clear()
        for extent in table_extents(table, blocks):
            yield extent
        if not has_rows:
            yield SkippedObject(object=info.key, reason="has no rows")

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return rows as dictionaries by column, each made when it is asked for."""
        told = _Codec.read(codec)
        columns = self._chosen(told.header, about.key)
        num_rows = None if about.args else about.num_samples
        table = csv_table(bytes_of(data), codec, columns, key=about.key, num_rows=num_rows)
        table = some_rows(table, block_rows(about, numbers))
        for name in self.numbers or ():
            if name in columns:
                values, _ = to_numbers(table[name])
                table = table.set_column(columns.index(name), name, pa.array(values))
        return Rows(table)

    def _chosen(self, header: Sequence[str], key: str) -> list[str]:
        """Return the names of the columns whose values are given.

        Raises:
            ConfigError: one that was asked for is not there.
        """
        there = [name for name in header if name]
        asked = (*(self.columns or ()), *(self.numbers or ()), *filter(None, [self.group_by]))
        wrong = next((name for name in asked if name not in there), None)
        if wrong is not None:
            raise ConfigError(
                f"{key} has no column {wrong!r}",
                fix=f"{did_you_mean(wrong, there)}its columns are: {', '.join(there[:_SHOWN])}",
            )
        return there if self.columns is None else list(self.columns)

    def _groups(self, block: Block, dialect: Dialect) -> tuple[str, ...]:
        if self.group_by is None:
            return ()
        cells = read_cells(block.data, dialect.header, dialect.delimiter, [self.group_by])
        return tuple(group_texts(cells[self.group_by].to_pylist()))

    def _check_numbers(self, block: Block, dialect: Dialect, info: ObjectInfo) -> None:
        if not self.numbers:
            return
        table = read_cells(block.data, dialect.header, dialect.delimiter, self.numbers)
        for name in self.numbers:
            _, wrong = to_numbers(table[name])
            if wrong is not None:
                raise no_number(block, dialect, info, name, wrong, table[name][wrong].as_py())


def no_number(block: Block, dialect: Dialect, info: ObjectInfo, name: str, place: int, cell: str) -> DataError:
    """Make the error of a cell, in the row at a place of a block, that is no number."""
    line = row_lines(block, info, dialect.delimiter)[place]
    return DataError(
        f"{info.key}, line {line}: {name} is {cell[:40]!r}, which is no number",
        fix="correct the table, write n/a where a value is not known, or do not take the column for numbers",
        about=info.key,
    )


def table_extents(table: TextTable, blocks: Sequence[Listed]) -> Iterator[Extent]:
    """Return the extents of blocks of a table, which was read to its end where it is packed.

    Their keys end with the lines that they begin on.
    """
    info, dialect = table.info, table.dialect
    places = table.stream.placed([block.part for block in blocks])
    for block, (spans, packing) in zip(blocks, places, strict=True):
        yield Extent(
            key=f"{info.key}/{block.name}",
            group=info.key,
            spans=spans,
            codec=_Codec(delimiter=dialect.delimiter, header=dialect.header, packing=packing).encode(),
            num_samples=block.num_rows,
            groups=block.groups,
            decoded_bytes=0 if packing is None else packing.length,
        )


def csv_table(data: bytes, codec: str, columns: Sequence[str], *, key: str, num_rows: int | None) -> pa.Table:
    """Return some columns of an extent's rows as text.

    Args:
        key: of the extent, for messages.
        num_rows: that it has; None is not known.

    Raises:
        DataError: they are not the rows that were listed.
    """
    told = _Codec.read(codec)
    try:
        table = read_cells(unpacked(data, told.packing, key=key), told.header, told.delimiter, columns)
    except (pa.ArrowException, KeyError) as error:
        raise _unreadable(key, str(error)) from error
    if num_rows is not None and table.num_rows != num_rows:
        raise _unreadable(key, f"there are {table.num_rows}, not {num_rows}")
    return table


def _unreadable(key: str, why: str) -> DataError:
    return DataError(
        f"the rows of {key} cannot be read: {' '.join(why.split())[:300]}", fix="list the dataset again", about=key
    )


def _check_once(option: str, names: Sequence[str]) -> None:
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ConfigError(f"{option} has {twice!r} twice", fix="name each column once")


def _check_delimiter(value: Any) -> None:
    if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in '"\r\n\0' or value.isalnum():
        raise ConfigError(f"delimiter {value!r}", fix='give one character like "," or ";", or leave it out')
