"""The format of Parquet files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError, HeaderMismatch
from penstock.formats.group_text import column_groups
from penstock.formats.options import column_of, names_of, size_of
from penstock.formats.parquet.footer import (
    MAGIC,
    TAIL_BYTES,
    Footer,
    RowGroup,
    read_footer,
    row_groups,
)
from penstock.formats.parquet.schema import leaves_of, missing_name, twice_named
from penstock.formats.protocols import ByObject, Found
from penstock.formats.rows import block_rows
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import GIB, KIB, MIB, format_bytes

__all__ = ["Parquet", "choose_leaves", "fetch_footer", "footer_of", "group_extent", "lies"]

GUESS_BYTES = 4 * KIB, 64 * KIB
"""Least and most of a file's end that is read at first, for its footer to be in."""
GUESS_SHARE = 128
"""Part of a file that its footer is guessed to be in: of few rows, what is read in vain would count."""
MOST_FOOTER_BYTES = 256 * MIB
_ENCRYPTED = b"PARE"
_SMALLEST_BYTES = len(MAGIC) + TAIL_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class Parquet:
    """The format of Parquet files.

    Attributes:
        columns: paths of those that are read, or of groups of them, like ``"text"`` or ``"image.bytes"``; None is all.
        memory: that a row group's chosen columns may take unpacked, like ``"2Gi"``, or in bytes.
        group_by: path of the column whose value is each row's group, by which rows may be split. It is read whole to
            list a file; rows without a value are a group together. None tells no groups.

    Raises:
        ConfigError: an option cannot be used.
    """

    table_endings: ClassVar[tuple[str, ...]] = ("parquet", "parq", "pq")
    by_object: ClassVar[ByObject] = "little"
    reads_by: ClassVar[tuple[str, ...]] = ("penstock.formats.parquet.rows", "penstock.formats.parquet.arrow_schema")

    columns: Sequence[str] | None = None
    memory: str | int = 2 * GIB
    group_by: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", names_of("columns", self.columns))
        object.__setattr__(self, "memory", size_of("memory", self.memory))
        column_of("group_by", self.group_by)

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a row group; the footer alone is read, and the column that rows are grouped by."""
        footer = footer_of(await fetch_footer(source, info), info)
        leaves = choose_leaves(footer, info, self.columns)
        memory = size_of("memory", self.memory)
        by = None if self.group_by is None else Parquet(columns=[self.group_by], memory=self.memory)
        keys = iter(()) if by is None else row_groups(footer, choose_leaves(footer, info, by.columns))
        num_found = 0
        try:
            for group in row_groups(footer, leaves):
                num_found += 1
                extent = group_extent(group, info, memory_bytes=memory)
                if by is not None:
                    column = group_extent(next(keys), info, memory_bytes=memory)
                    extent = await _grouped(extent, by, column, source, info)
                yield extent
        except ValueError as error:
            raise lies(info, str(error)) from error
        if not num_found:
            yield SkippedObject(object=info.key, reason="has no rows")

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return rows as dictionaries by column, each made when it is asked for."""
        from penstock.formats.parquet.rows import read_rows
        from penstock.formats.values import Rows, some_rows

        held = data.read_bytes() if isinstance(data, Path) else data
        table = read_rows(held, codec, key=about.key, num_rows=None if about.args else about.num_samples)
        table = some_rows(table, block_rows(about, numbers))
        return Rows(table if self.columns is None else table.select(_in_order(table.column_names, self.columns)))


def choose_leaves(footer: Footer, info: ObjectInfo, columns: Sequence[str] | None) -> list[int]:
    """Return the numbers of the columns that are read; None is all.

    Raises:
        ConfigError: one that was asked for is not there.
        HeaderMismatch: two have one name.
    """
    if columns is None:
        leaves = list(range(footer.root.end_leaf))
    else:
        wrong = missing_name(footer.root, columns)
        if wrong is not None:
            there = ", ".join(node.path for node in footer.root.children[:20])
            raise ConfigError(
                f"{info.key} has no column {wrong[0]!r}",
                fix=f"{did_you_mean(*wrong)}its columns are: {there}",
            )
        leaves = leaves_of(footer.root, columns)
    twice = twice_named(footer.root, leaves)
    if twice:
        raise lies(info, f"it has two columns {twice!r}", fix="choose others with columns, or rename one of them")
    return leaves


def group_extent(group: RowGroup, info: ObjectInfo, *, memory_bytes: int) -> Extent:
    """Return the extent of a row group's chosen columns.

    Raises:
        DataError: it takes more memory unpacked.
    """
    if group.decoded_bytes > memory_bytes:
        raise DataError(
            f"row group {group.number} of {info.key} takes {format_bytes(group.decoded_bytes)} unpacked, "
            f"more than memory={format_bytes(memory_bytes)}",
            fix="choose fewer columns, give more memory, or write the file again with smaller row groups",
            about=info.key,
        )
    spans = tuple(info.span(offset, length) for offset, length in group.spans)
    key = f"{info.key}/{group.number}"
    return Extent(
        key=key,
        group=info.key,
        spans=spans,
        codec=group.codec,
        num_samples=group.num_rows,
        decoded_bytes=group.decoded_bytes,
    )


async def _grouped(extent: Extent, by: Parquet, column: Extent, source: GetRange, info: ObjectInfo) -> Extent:
    """Return an extent with the group of each row.

    Args:
        by: the format of the column alone.
        column: the same rows of that column.

    Raises:
        ConfigError: its values are no names of groups.
    """
    parts = [bytes(await source.get_range(info, span.offset, span.length_bytes)) for span in column.spans]
    rows = by.decode(b"".join(parts), column, column.codec, np.arange(extent.num_samples))
    assert by.columns is not None
    found = []
    for row in rows:
        value: Any = row
        for name in _path(row, by.columns[0]):
            value = None if value is None else value[name]
        found.append(value)
    groups = column_groups(found, object_key=info.key, column=by.columns[0])
    return msgspec.structs.replace(extent, groups=groups)


def _path(row: Mapping[str, Any], name: str) -> list[str]:
    """Return the names that lead to a column: its own, which may have dots, or those of what it is in."""
    return [name] if name in row else name.split(".")


def _in_order(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return names of the top in the order in which they, or what is in them, were asked for."""

    def place(name: str) -> int:
        if name in columns:
            return columns.index(name)
        return next(at for at, path in enumerate(columns) if path.startswith(f"{name}."))

    return sorted(names, key=place)


async def fetch_footer(source: GetRange, info: ObjectInfo) -> bytes:
    """Return a file's footer, read by one request where it is no longer than was guessed.

    Raises:
        HeaderMismatch: it has none, or one that cannot be.
    """
    size = info.size_bytes
    if size < _SMALLEST_BYTES:
        raise _no_parquet(info, f"it has {size} bytes")
    guess = min(size, max(GUESS_BYTES[0], min(size // GUESS_SHARE, GUESS_BYTES[1])))
    tail = bytes(await source.get_range(info, size - guess, guess))
    magic, length = tail[-len(MAGIC) :], int.from_bytes(tail[-TAIL_BYTES : -len(MAGIC)], "little")
    if magic == _ENCRYPTED:
        raise lies(info, "its footer is encrypted", fix="decrypt it first: keys are not known here")
    if magic != MAGIC:
        raise _no_parquet(info, f"it ends with {magic!r}")
    if length > min(size - _SMALLEST_BYTES, MOST_FOOTER_BYTES):
        raise lies(info, f"its footer is said to have {length} bytes, of {size} that the file has")
    missing = length + TAIL_BYTES - guess
    if missing > 0:
        tail = bytes(await source.get_range(info, size - guess - missing, missing)) + tail
    return tail[len(tail) - length - TAIL_BYTES : -TAIL_BYTES]


def footer_of(data: bytes, info: ObjectInfo) -> Footer:
    """Return what a file's footer tells.

    Raises:
        HeaderMismatch: it cannot be read.
    """
    try:
        return read_footer(data, file_bytes=info.size_bytes)
    except ValueError as error:
        raise lies(info, str(error)) from error


def _no_parquet(info: ObjectInfo, why: str) -> HeaderMismatch:
    return lies(info, f"it is no Parquet file: {why}", fix="choose Parquet files with match, or write it again")


def lies(
    info: ObjectInfo, what: str, *, fix: str = "the file is damaged: write it again, or leave it out"
) -> HeaderMismatch:
    """Make the error of a file that is not what it should be."""
    return HeaderMismatch(f"{info.key}: {what}", fix=fix, about=info.key)
