"""The one pass over tables that a listing makes, and the extents that come of it.

What each extent's rows have for the splits and for a target is kept in a scratch file until all was read: only then it
is known which classes there are, and which columns can be learnt from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.files import ScratchFile
from penstock.manifest import SPLITS, Extent, LeftOutObjects
from penstock.sources import ObjectSource
from penstock.tasks.table.codec import RowsCodec, pack_rows
from penstock.tasks.table.parquet_tables import ParquetTables
from penstock.tasks.table.parts import Part, Tables
from penstock.tasks.table.splitting import RowSplits, Splitter
from penstock.tasks.table.statistics import Statistics
from penstock.tasks.table.targets import Preliminary, Targets

__all__ = ["Gathered", "Layout"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Which columns are what.

    Attributes:
        features: that are learnt from, with their kinds.
        told: that are read of every row: the target, and what says the split.
    """

    target: str
    features: Mapping[str, str]
    told: tuple[str, ...]


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a part."""

    key: str
    first_row: int
    ref: bytes
    targets: bytes
    are_places: bool
    own: bytes
    groups: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    """Columns of a part; ``training`` tells which rows are of the training split, shape (rows,)."""

    key: str
    table: pa.Table
    training: NDArray[np.bool_]


@dataclass(kw_only=True, slots=True)
class Gathered:
    """What a pass over tables found.

    Attributes:
        kept: what is kept of each part, ``places`` where in it.
        num_rows: of all parts.
        is_sampled: whether columns were read of some parts with rows of training alone; ``num_sampled`` their rows.
        left_out: tables.
    """

    tables: Tables
    targets: Targets
    statistics: Statistics
    splitter: Splitter
    kept: ScratchFile
    places: list[tuple[int, int]] = field(default_factory=list)
    num_rows: int = 0
    is_sampled: bool = False
    num_sampled: int = 0
    left_out: LeftOutObjects = field(default_factory=LeftOutObjects)

    def add(self, part: Part) -> None:
        """Take a part in.

        Raises:
            DataError: of its rows.
        """
        count = part.told.num_rows
        self.num_rows += count
        read = self.targets.add(part.told[self.targets.column], part.where, is_typed=self.tables.is_typed)
        rows = self.splitter.read(part.told, part.where)
        if part.features is not None:
            training = self.splitter.training(part.key, count, rows) & ~np.isnan(read.values)
            self.statistics.add(part.features, training, part.where)
        kept = _Kept(
            key=part.key,
            first_row=part.first_row,
            ref=part.ref,
            targets=read.values.tobytes(),
            are_places=read.are_places,
            own=rows.own.tobytes(),
            groups=rows.groups,
        )
        self.places.append(self.kept.append(msgspec.msgpack.encode(kept)))

    def extents(self, columns: Sequence[str], encoding: str) -> Iterator[Extent]:
        """Return the extents, each once for each split that it has rows of.

        Args:
            columns: to read.
            encoding: of them, for the decoder.

        Raises:
            DataError: one takes too much memory.
        """
        for place in self.places:
            kept, preliminary, splits = self._read(place)
            whole = self.tables.extent(kept.ref, columns)
            targets = self.targets.final(Preliminary(values=preliminary, are_places=kept.are_places))
            for number, split in enumerate(SPLITS):
                chosen = (splits == number) & ~np.isnan(targets)
                if chosen.any():
                    yield self._extent(whole, kept, split, chosen, targets, encoding)
        self.kept.close()

    def trained_on(self, budget_bytes: int, columns: Sequence[str]) -> list[tuple[int, int]]:
        """Choose parts with rows of the training split, by a hash of their keys; give their places in order.

        Args:
            budget_bytes: that reading columns of them takes, but for the first one's.
        """
        found = []
        for number, place in enumerate(self.places):
            kept, targets, splits = self._read(place)
            if ((splits == 0) & ~np.isnan(targets)).any():
                rank = hashlib.sha256(f"statistics/{kept.key}".encode(errors="surrogatepass")).digest()[:8]
                found.append((rank, number, self.tables.extent(kept.ref, columns).size_bytes))
        chosen: list[int] = []
        left = budget_bytes
        for _, number, size in sorted(found):
            if chosen and size > left:
                break
            chosen.append(number)
            left -= size
        self.is_sampled = len(chosen) < len(found)
        return [self.places[number] for number in sorted(chosen)]

    def num_training(self, enough: int) -> int:
        """Return how many rows with a target the training split has; some number from ``enough`` on where more."""
        count = 0
        for place in self.places:
            _, targets, splits = self._read(place)
            count += int(((splits == 0) & ~np.isnan(targets)).sum())
            if count >= enough:
                break
        return count

    async def sample(
        self, source: ObjectSource, tables: ParquetTables, place: tuple[int, int], columns: Sequence[str]
    ) -> _Sample:
        """Read columns of a part."""
        kept, targets, splits = self._read(place)
        table = await tables.read(source, kept.ref, columns)
        return _Sample(key=kept.key, table=table, training=(splits == 0) & ~np.isnan(targets))

    def add_sample(self, sample: _Sample) -> None:
        """Take a part's columns in.

        Raises:
            DataError: of its rows.
        """
        self.num_sampled += sample.table.num_rows if self.is_sampled else 0
        self.statistics.add(sample.table, sample.training, lambda row: f"{sample.key}, row {row}")

    def _read(self, place: tuple[int, int]) -> tuple[_Kept, NDArray[np.float64], NDArray[np.int64]]:
        """Return what is kept of a part, its preliminary targets, and the places among ``SPLITS`` of its rows."""
        kept = msgspec.msgpack.decode(self.kept.read(*place), type=_Kept)
        targets = np.frombuffer(kept.targets, np.float64)
        rows = RowSplits(own=np.frombuffer(kept.own, np.int8), groups=kept.groups)
        return kept, targets, self.splitter.places(kept.key, len(targets), rows)

    def _extent(
        self,
        whole: Extent,
        kept: _Kept,
        split: str,
        chosen: NDArray[np.bool_],
        targets: NDArray[np.float64],
        encoding: str,
    ) -> Extent:
        """Return the extent of some rows of another one; its key ends with the split that they are of."""
        numbers = np.flatnonzero(chosen)
        codec = RowsCodec(
            format=self.tables.format,
            codec=whole.codec,
            num_rows=whole.num_samples,
            first_row=kept.first_row,
            rows=pack_rows(chosen),
            encoding=encoding,
            options=self.tables.options,
        )
        key = f"{whole.key}:{split}"
        return Extent(
            key=key,
            group=key,
            spans=whole.spans,
            codec=codec.encode(),
            num_samples=len(numbers),
            groups=tuple(kept.groups[number] for number in numbers.tolist()) if kept.groups else (),
            targets=tuple(targets[numbers].tolist()),
            decoded_bytes=whole.decoded_bytes,
        )
