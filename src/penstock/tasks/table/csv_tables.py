"""Tables of text, as they are listed: all of each is read once, since nothing else tells where rows end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from penstock.formats.csv.cells import read_cells
from penstock.formats.csv.format import block_extent
from penstock.formats.csv.scanning import Block, Dialect, read_blocks, read_dialect, row_lines
from penstock.manifest import Extent
from penstock.sources import GetRange, ObjectInfo
from penstock.tasks.table.parts import Part, check_columns

__all__ = ["CsvTables"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvTables:
    """Reads CSV, TSV and the like; see ``Tables``.

    Attributes:
        delimiter: between cells; None is the one that the header has most of.
        names: of all columns, of tables without a header; None reads it.
        block_bytes: about how many bytes of rows are an extent.
    """

    delimiter: str | None
    names: Sequence[str] | None
    block_bytes: int

    @property
    def format(self) -> str:
        """Name of the format."""
        return "csv"

    @property
    def is_typed(self) -> bool:
        """Columns are of text."""
        return False

    async def kinds(self, source: GetRange, info: ObjectInfo) -> Mapping[str, str]:
        """Return a table's columns."""
        dialect = await read_dialect(source, info, delimiter=self.delimiter, names=self.names)
        return {name: "" for name in dialect.header if name}

    async def parts(
        self,
        source: GetRange,
        info: ObjectInfo,
        *,
        told: Sequence[str],
        features: Mapping[str, str],
    ) -> AsyncIterator[Part]:
        """Return a table's parts; features come with the rest."""
        dialect = await read_dialect(source, info, delimiter=self.delimiter, names=self.names)
        check_columns([name for name in dialect.header if name], [*told, *features], info)
        async for block in read_blocks(source, info, dialect, block_bytes=self.block_bytes):
            table = read_cells(block.data, dialect.header, dialect.delimiter, [*told, *features])
            extent = block_extent(info, dialect, block)
            yield Part(
                key=extent.key,
                first_row=block.first_row,
                told=table.select(list(told)),
                features=table.select(list(features)),
                ref=msgspec.msgpack.encode(extent),
                where=_namer(block, dialect, info),
            )

    def extent(self, ref: bytes, columns: Sequence[str]) -> Extent:
        """Return the extent, which is of whole rows."""
        return msgspec.msgpack.decode(ref, type=Extent)


def _namer(block: Block, dialect: Dialect, info: ObjectInfo) -> Callable[[int], str]:
    return lambda row: f"{info.key}, line {row_lines(block, info, dialect.delimiter)[row]}"
