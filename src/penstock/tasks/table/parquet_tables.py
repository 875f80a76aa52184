"""Parquet tables, as they are listed: footers, and the chunks of the columns that tell how to split and encode rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.errors import DataError
from penstock.files import ScratchFile
from penstock.formats.parquet.footer import as_file, row_groups
from penstock.formats.parquet.indexing import choose_leaves, fetch_footer, footer_of, group_extent, lies
from penstock.formats.parquet.rows import read_rows
from penstock.formats.protocols import Store
from penstock.manifest import Extent
from penstock.sources import ObjectInfo
from penstock.tasks.table.columns import kind_of
from penstock.tasks.table.parts import Part, check_columns, fetch, row_namer

__all__ = ["ParquetTables"]


class _Ref(msgspec.Struct, frozen=True, kw_only=True):
    """A row group.

    Attributes:
        footer: offset and length in the scratch file.
    """

    info: ObjectInfo
    footer: tuple[int, int]
    number: int


class ParquetTables:
    """Reads Parquet; see ``Tables``. Footers are kept in a scratch file until it is known what is learnt from.

    Args:
        memory_bytes: that a row group's columns may take unpacked.
        scratch: folder for what does not fit in memory.
    """

    format = "parquet"
    options = ""
    is_typed = True

    def __init__(self, *, memory_bytes: int, scratch: Path | None) -> None:
        self._memory_bytes = memory_bytes
        self._kept = ScratchFile(scratch)
        self._last: tuple[Any, dict[int, Extent]] = (None, {})

    async def kinds(self, source: Store, info: ObjectInfo) -> Mapping[str, str]:
        """Return a table's columns."""
        return _kinds(await fetch_footer(source, info), info)

    async def parts(
        self,
        source: Store,
        info: ObjectInfo,
        *,
        told: Sequence[str],
        features: Mapping[str, str],
    ) -> AsyncIterator[Part]:
        """Return a table's parts."""
        raw = await fetch_footer(source, info)
        there, footer = _kinds(raw, info), footer_of(raw, info)
        check_columns(list(there), [*told, *features], info)
        for name, kind in features.items():
            if there[name] != kind and "" not in (there[name], kind):
                raise DataError(
                    f"{info.key}: the column {name} is of {there[name]}, where the first file has it of {kind}",
                    fix="write the file again, or leave the column out: name the others with --option columns=",
                    about=info.key,
                )
        kept = self._kept.append(raw)
        try:
            groups = list(row_groups(footer, choose_leaves(footer, info, told)))
        except ValueError as error:
            raise lies(info, str(error)) from error
        first_row = 0
        for group in groups:
            extent = group_extent(group, info, memory_bytes=self._memory_bytes)
            yield Part(
                key=extent.key,
                first_row=first_row,
                told=await _fetch_rows(source, info, extent),
                features=None,
                ref=msgspec.msgpack.encode(_Ref(info=info, footer=kept, number=group.number)),
                where=row_namer(extent.key),
            )
            first_row += extent.num_samples

    async def read(self, source: Store, ref: bytes, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a row group."""
        told = msgspec.msgpack.decode(ref, type=_Ref)
        return await _fetch_rows(source, told.info, self.extent(ref, columns))

    def extent(self, ref: bytes, columns: Sequence[str]) -> Extent:
        """Return the extent of a row group's columns."""
        told = msgspec.msgpack.decode(ref, type=_Ref)
        asked = told.footer, tuple(columns)
        if self._last[0] != asked:
            footer = footer_of(self._kept.read(*told.footer), told.info)
            groups = row_groups(footer, choose_leaves(footer, told.info, columns))
            made = {group.number: group_extent(group, told.info, memory_bytes=self._memory_bytes) for group in groups}
            self._last = asked, made
        return self._last[1][told.number]


def _kinds(raw: bytes, info: ObjectInfo) -> dict[str, str]:
    """Return the kinds of a table's columns, in order."""
    try:
        schema = pq.read_metadata(pa.BufferReader(as_file([], raw))).schema.to_arrow_schema()
    except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
        raise lies(info, " ".join(str(error).split())[:200]) from error
    kinds = {field.name: kind_of(field.type) or str(field.type) for field in schema}
    return {name: "" if kind == "none" else kind for name, kind in kinds.items()}


async def _fetch_rows(source: Store, info: ObjectInfo, extent: Extent) -> pa.Table:
    data = await fetch(source, extent)
    return read_rows(data, extent.codec, key=extent.key, num_rows=extent.num_samples)
