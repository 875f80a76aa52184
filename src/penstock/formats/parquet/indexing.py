"""Indexing Parquet files: their footers, and an extent for each row group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from penstock.errors import ConfigError, DataError, HeaderMismatch
from penstock.formats.group_text import column_groups
from penstock.formats.options import size_of
from penstock.formats.parquet.footer import MAGIC, TAIL_BYTES, Footer, RowGroup, read_footer, row_groups
from penstock.formats.parquet.schema import leaves_of, missing_name, twice_named
from penstock.formats.protocols import Found
from penstock.manifest import Extent, SkippedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import KIB, MIB, format_bytes

if TYPE_CHECKING:
    from penstock.formats.parquet.format import Parquet

__all__ = ["choose_leaves", "fetch_footer", "footer_of", "group_extent", "index_file", "lies"]

GUESS_BYTES = 4 * KIB, 64 * KIB
"""Least and most of a file's end that is read at first, for its footer to be in."""
GUESS_SHARE = 128
"""Part of a file that its footer is guessed to be in: of few rows, what is read in vain would count."""
MOST_FOOTER_BYTES = 256 * MIB
_ENCRYPTED = b"PARE"
_SMALLEST_BYTES = len(MAGIC) + TAIL_BYTES


async def index_file(kind: Parquet, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
    """Return an extent a row group, as the format's ``index`` does."""
    footer = footer_of(await fetch_footer(source, info), info)
    leaves = choose_leaves(footer, info, kind.columns)
    memory = size_of("memory", kind.memory)
    by = None if kind.group_by is None else replace(kind, columns=[kind.group_by], group_by=None)
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
