"""Tables of any format whose samples are dictionaries by column, as they are listed: all rows of each are decoded."""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.files import ScratchFile
from penstock.formats.protocols import Format, Store
from penstock.formats.registry import open_format
from penstock.manifest import Extent, SkippedObject
from penstock.sources import ObjectInfo
from penstock.tasks.table.parts import Part, check_columns, fetch, row_namer
from penstock.tasks.table.values import columns_of, kinds_in, rows_table

__all__ = ["RowTables", "decoded_rows"]


class RowTables:
    """Reads tables of a format; see ``Tables``. A column is of what its values are.

    Args:
        format_name: of the format.
        options: that it is made with.
        scratch: folder for extents until it is known what is learnt from.
        skipped: takes what the format leaves out, apart from tables without rows.
    """

    is_typed = True

    def __init__(
        self, format_name: str, options: Mapping[str, Any], *, scratch: Path | None, skipped: list[SkippedObject]
    ) -> None:
        self.format = format_name
        self.options = json.dumps(dict(options), sort_keys=True) if options else ""
        self._kind = open_format(format_name, options)
        self._kept = ScratchFile(scratch)
        self._skipped = skipped

    async def kinds(self, source: Store, info: ObjectInfo) -> Mapping[str, str]:
        """Return a table's columns, by the rows of its first extent; none where it has no rows."""
        async with aclosing(self._kind.index(source, info)) as found:  # type: ignore[type-var]
            async for extent in found:
                if isinstance(extent, Extent):
                    return kinds_in(await self._rows(source, info, extent), extent.key)
        return {}

    async def parts(
        self,
        source: Store,
        info: ObjectInfo,
        *,
        told: Sequence[str],
        features: Mapping[str, str],
    ) -> AsyncIterator[Part]:
        """Return a table's parts; features come with the rest."""
        first_row, there = 0, dict[str, None]()
        async with aclosing(self._kind.index(source, info)) as all_found:  # type: ignore[type-var]
            async for found in all_found:
                if isinstance(found, SkippedObject):
                    if found.reason != "has no rows" and found not in self._skipped:
                        self._skipped.append(found)
                    continue
                rows = await self._rows(source, info, found)
                there |= columns_of(rows, found.key)
                yield Part(
                    key=found.key,
                    first_row=first_row,
                    told=rows_table(rows, told, found.key),
                    features=rows_table(rows, list(features), found.key),
                    ref=msgspec.msgpack.encode(self._kept.append(msgspec.msgpack.encode(found))),
                    where=row_namer(found.key),
                )
                first_row += found.num_samples
        if first_row:
            check_columns(list(there), [*told, *features], info)

    def extent(self, ref: bytes, columns: Sequence[str]) -> Extent:
        """Return the extent, which is of whole rows; its codec is all that the format tells of it."""
        whole = self._kept.read(*msgspec.msgpack.decode(ref, type=tuple[int, int]))
        extent = msgspec.msgpack.decode(whole, type=Extent)
        about = msgspec.msgpack.encode(msgspec.structs.replace(extent, spans=(), targets=(), groups=()))
        return msgspec.structs.replace(extent, codec=base64.b85encode(zlib.compress(about)).decode())

    async def _rows(self, source: Store, info: ObjectInfo, extent: Extent) -> list[Any]:
        data = await fetch(source, extent)
        return await asyncio.to_thread(_decoded, self._kind, data, extent, np.arange(extent.num_samples))


def decoded_rows(
    data: bytes, codec: str, numbers: NDArray[np.int64], names: Sequence[str], *, format_name: str, options: str
) -> pa.Table:
    """Return columns of some rows of an extent.

    Args:
        codec: that ``RowTables.extent`` gave.
        options: of the format, as JSON; empty for none.

    Raises:
        DataError: the bytes do not mean what they should.
    """
    about = msgspec.msgpack.decode(zlib.decompress(base64.b85decode(codec)), type=Extent)
    rows = _decoded(_opened(format_name, options), data, about, numbers)
    columns_of(rows, about.key)
    return rows_table(rows, names, about.key)


@lru_cache(maxsize=8)
def _opened(format_name: str, options: str) -> Format:
    return open_format(format_name, json.loads(options or "{}"))


def _decoded(kind: Format, data: bytes, extent: Extent, numbers: NDArray[np.int64]) -> list[Any]:
    return list(kind.decode(memoryview(data), extent, extent.codec, numbers))
