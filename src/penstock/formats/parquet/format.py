"""The format of Parquet files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.formats.options import column_of, names_of, size_of
from penstock.formats.protocols import ByObject, Found
from penstock.formats.rows import block_rows
from penstock.manifest import Described
from penstock.sources import GetRange, ObjectInfo
from penstock.units import GIB

__all__ = ["Parquet"]


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
    reads_by: ClassVar[tuple[str, ...]] = (
        "penstock.formats.parquet.indexing",
        "penstock.formats.parquet.arrow_schema",
        "penstock.formats.parquet.rows",
        "penstock.formats.values",
    )

    columns: Sequence[str] | None = None
    memory: str | int = 2 * GIB
    group_by: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", names_of("columns", self.columns))
        object.__setattr__(self, "memory", size_of("memory", self.memory))
        column_of("group_by", self.group_by)

    def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a row group; the footer alone is read, and the column that rows are grouped by."""
        from penstock.formats.parquet.indexing import index_file  # here: datasets are made without it

        return index_file(self, source, info)

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return rows as dictionaries by column, each made when it is asked for."""
        from penstock.formats.parquet.rows import read_rows
        from penstock.formats.values import Rows, some_rows

        held = data.read_bytes() if isinstance(data, Path) else data
        table = read_rows(held, codec, key=about.key, num_rows=None if about.args else about.num_samples)
        table = some_rows(table, block_rows(about, numbers))
        return Rows(table if self.columns is None else table.select(_in_order(table.column_names, self.columns)))


def _in_order(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return names of the top in the order in which they, or what is in them, were asked for."""

    def place(name: str) -> int:
        if name in columns:
            return columns.index(name)
        return next(at for at, path in enumerate(columns) if path.startswith(f"{name}."))

    return sorted(names, key=place)
