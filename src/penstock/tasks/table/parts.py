"""Tables as they are listed: which extents there are, and what of their rows the listing reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from penstock.errors import ConfigError
from penstock.formats.protocols import Store
from penstock.manifest import Extent
from penstock.sources import GetRange, ObjectInfo, object_of
from penstock.texts import did_you_mean

__all__ = ["Part", "Tables", "check_columns", "fetch", "row_namer"]

_SHOWN = 20
"""Names that an error lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """An extent's rows, as far as the listing reads them.

    Attributes:
        key: of the extent.
        first_row: number of the first row in its table, from 0.
        told: the columns that are read of every row.
        features: those that are learnt from, where they come with the rest; else None.
        ref: what ``Tables.extent`` makes the extent of.
        where: names a row, for messages.
    """

    key: str
    first_row: int
    told: pa.Table
    features: pa.Table | None
    ref: bytes
    where: Callable[[int], str]


class Tables(Protocol):
    """Reads tables of one format."""

    @property
    def format(self) -> str:
        """Name of the format."""
        ...

    @property
    def options(self) -> str:
        """Options that the format decodes with, as JSON; empty for none."""
        ...

    @property
    def is_typed(self) -> bool:
        """Whether columns have types."""
        ...

    async def kinds(self, source: Store, info: ObjectInfo) -> Mapping[str, str]:
        """Return a table's columns: ``number``, ``text``, a type that is neither, or nothing where no type tells.

        There are none where rows alone tell columns, and it has no rows.

        Raises:
            PenstockError: it is no such table, or could not be read.
        """
        ...

    def parts(
        self,
        source: Store,
        info: ObjectInfo,
        *,
        told: Sequence[str],
        features: Mapping[str, str],
    ) -> AsyncIterator[Part]:
        """Return a table's parts, in order.

        Args:
            told: columns to read of every row.
            features: columns that are learnt from, with their kinds.

        Raises:
            PenstockError: it is no such table, lacks a column, or could not be read.
        """
        ...

    def extent(self, ref: bytes, columns: Sequence[str]) -> Extent:
        """Return the extent of a part's chosen columns, whose codec is the format's.

        Raises:
            DataError: it takes more memory than is allowed.
        """
        ...


async def fetch(source: GetRange, extent: Extent) -> bytes:
    """Return an extent's bytes.

    Raises:
        SourceError: they could not be had.
    """
    spans = (source.get_range(object_of(span), span.offset, span.length_bytes) for span in extent.spans)
    return b"".join(await asyncio.gather(*spans))


def check_columns(there: Sequence[str], wanted: Sequence[str], info: ObjectInfo, *, option: str = "") -> None:
    """Check that a table has columns.

    Args:
        option: that names them, for messages.

    Raises:
        ConfigError: one is not there; names the nearest one that is.
    """
    wrong = next((name for name in wanted if name not in there), None)
    if wrong is not None:
        more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
        raise ConfigError(
            f"{info.key} has no column {wrong!r}{f' of --option {option}=' if option else ''}",
            fix=f"{did_you_mean(wrong, there)}its columns are: {', '.join(there[:_SHOWN])}{more}",
        )


def row_namer(key: str) -> Callable[[int], str]:
    """Return what names the rows of an extent, for messages."""
    return lambda row: f"{key}, row {row}"
