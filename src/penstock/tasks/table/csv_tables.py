"""Tables of text, as they are listed: all of each is read once, since nothing else tells where rows end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from penstock.files import ScratchFile
from penstock.formats.csv.cells import read_cells
from penstock.formats.csv.format import table_extents
from penstock.formats.csv.scanning import Block, Dialect, TextTable, open_table, read_blocks, row_lines
from penstock.formats.protocols import Store
from penstock.formats.streams.extents import Block as Listed
from penstock.manifest import Extent
from penstock.sources import ObjectInfo
from penstock.tasks.table.parts import Part, check_columns

__all__ = ["CsvTables"]


class CsvTables:
    """Reads CSV, TSV and the like, packed or not; see ``Tables``.

    Args:
        delimiter: between cells; None is the one that the header has most of.
        names: of all columns, of tables without a header; None reads it.
        block_bytes: about how many bytes of rows are an extent.
        scratch: folder for extents until it is known what is learnt from.
    """

    format = "csv"
    options = ""
    is_typed = False

    def __init__(
        self, *, delimiter: str | None, names: Sequence[str] | None, block_bytes: int, scratch: Path | None
    ) -> None:
        self._delimiter, self._names, self._block_bytes = delimiter, names, block_bytes
        self._kept = ScratchFile(scratch)
        self._places: list[list[tuple[int, int]]] = []

    async def kinds(self, source: Store, info: ObjectInfo) -> Mapping[str, str]:
        """Return a table's columns."""
        async with self._open(source, info) as table:
            return {name: "" for name in table.dialect.header if name}

    async def parts(
        self,
        source: Store,
        info: ObjectInfo,
        *,
        told: Sequence[str],
        features: Mapping[str, str],
    ) -> AsyncIterator[Part]:
        """Return a table's parts; features come with the rest."""
        number, blocks = len(self._places), list[Listed]()
        self._places.append([])
        async with self._open(source, info) as table:
            dialect = table.dialect
            check_columns([name for name in dialect.header if name], [*told, *features], info)
            async for block in read_blocks(table):
                cells = read_cells(block.data, dialect.header, dialect.delimiter, [*told, *features])
                yield Part(
                    key=f"{info.key}/{block.line}",
                    first_row=block.first_row,
                    told=cells.select(list(told)),
                    features=cells.select(list(features)),
                    ref=msgspec.msgpack.encode((number, len(blocks))),
                    where=_namer(block, dialect, info),
                )
                blocks.append(Listed(name=block.line, part=block.part, num_rows=block.num_rows))
        for extent in table_extents(table, blocks):
            self._places[number].append(self._kept.append(msgspec.msgpack.encode(extent)))

    def extent(self, ref: bytes, columns: Sequence[str]) -> Extent:
        """Return the extent, which is of whole rows."""
        table, number = msgspec.msgpack.decode(ref, type=tuple[int, int])
        return msgspec.msgpack.decode(self._kept.read(*self._places[table][number]), type=Extent)

    def _open(self, source: Store, info: ObjectInfo) -> AbstractAsyncContextManager[TextTable]:
        return open_table(source, info, block_bytes=self._block_bytes, delimiter=self._delimiter, names=self._names)


def _namer(block: Block, dialect: Dialect, info: ObjectInfo) -> Callable[[int], str]:
    return lambda row: f"{info.key}, line {row_lines(block, info, dialect.delimiter)[row]}"
