"""Parquet files: columns with their types and the number of rows by the footer, first rows of small columns."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.column_chunks import Chunk, column_chunks
from penstock.errors import HeaderMismatch
from penstock.formats.parquet import Parquet
from penstock.formats.parquet.indexing import fetch_footer
from penstock.inspection.budget import Budgeted
from penstock.inspection.found import Column
from penstock.inspection.peeked import Peeked
from penstock.inspection.values import columns_of
from penstock.manifest import Extent
from penstock.sources import ObjectInfo
from penstock.texts import printable
from penstock.units import format_bytes

__all__ = ["peek_parquet"]

_MAGIC = b"PAR1"


async def peek_parquet(source: Budgeted, info: ObjectInfo, *, num_samples: int, most_bytes: int) -> Peeked:
    """Look into a Parquet file.

    Args:
        num_samples: rows that are shown.
        most_bytes: of columns' first row group, that are read for them.

    Raises:
        BudgetSpent, SourceError, DataError: it cannot be.
    """
    footer = bytes(await fetch_footer(source, info))
    try:
        meta = pq.read_metadata(io.BytesIO(_MAGIC + footer + len(footer).to_bytes(4, "little") + _MAGIC))
        schema = meta.schema.to_arrow_schema()
        groups = [_sizes(chunks) for chunks in column_chunks(footer)]
        sizes = groups[0] if groups else {}
    except (pa.ArrowException, OSError, ValueError) as error:
        raise HeaderMismatch(
            f"the footer of {info.key} cannot be read", fix="write the file again", about=info.key
        ) from error
    chosen, left = [], most_bytes
    for field in schema:
        if 0 <= sizes.get(field.name, -1) <= left:
            chosen.append(field.name)
            left -= sizes[field.name]
    read = await _first_rows(source, info, chosen, num_samples) if chosen and meta.num_rows else {}
    columns = [
        Column(
            name=printable(field.name),
            type=printable(str(field.type)),
            values=read.get(field.name, ()) or _unread(sizes.get(field.name, 0), meta.num_rows),
        )
        for field in schema
    ]
    largest = max((sum(group.values()) for group in groups), default=0)
    return Peeked(columns=tuple(columns), num_samples=meta.num_rows, share=1.0, group_bytes=largest)


def _sizes(chunks: Sequence[Chunk]) -> dict[str, int]:
    """Return the bytes of columns, by their first names."""
    found: dict[str, int] = {}
    for chunk in chunks:
        name = chunk.path[0] if chunk.path else ""
        found[name] = found.get(name, 0) + chunk.packed_bytes
    return found


def _unread(size: int, num_rows: int) -> tuple[str, ...]:
    return (f"not read ({format_bytes(size)} a row group)",) if num_rows else ()


async def _first_rows(
    source: Budgeted, info: ObjectInfo, names: list[str], num_samples: int
) -> dict[str, tuple[str, ...]]:
    kind = Parquet(columns=names)
    async for extent in kind.index(source, info):
        if not isinstance(extent, Extent):
            break
        data = b"".join([bytes(await source.get_range(info, span.offset, span.length_bytes)) for span in extent.spans])
        rows = kind.decode(data, extent, extent.codec, np.arange(min(num_samples, extent.num_samples)))
        return {column.name: column.values for column in columns_of([rows[at] for at in range(len(rows))])}
    return {}
