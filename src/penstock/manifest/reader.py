"""Reading a manifest by row number, in any order, in bounded memory."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from penstock.errors import RecordError
from penstock.manifest.columns import METADATA_KEY, SCHEMA, ExtentColumns, ExtentRows, gather_rows
from penstock.manifest.schema import Extent, ManifestInfo, Split
from penstock.records.codec import decode_record
from penstock.records.telling import WHOLE_BYTES, what_it_is
from penstock.units import MIB

__all__ = ["UNREADABLE", "ManifestReader", "damaged"]

CACHE_BYTES = 128 * MIB
"""Room for the columns of about 1.4 million extents of EEG."""

CHUNK_ROWS = 1024
LARGE_CHUNK_ROWS = 262_144

UNREADABLE = (OSError, pa.ArrowException, ValueError, LookupError, MemoryError)
"""What pyarrow raises for a damaged file: the last three where it reads a footer's names, places and sizes."""


class ManifestReader:
    """Reads rows of a manifest by number or in order; for one thread at a time.

    Row groups that were read are kept, as columns, up to ``cache_bytes``. Of a larger manifest, a row of a
    shuffled order costs the reading of a row group, 1 to 30 ms; so ask ``take`` for many at a time: it reads each
    row group once. A manifest of ten million whole objects, of which the cache holds an eighth, takes about 20 us a
    row in chunks of 262,144 rows, and each row that is asked for some 500 bytes.

    Args:
        path: of the file.
        cache_bytes: bound on the columns that are kept in memory; one row group always is.

    Raises:
        RecordError: there is no such file, it is not a manifest that this Penstock knows, or it is damaged;
            also from ``row``, ``take`` and ``rows``.
    """

    def __init__(self, path: Path, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise RecordError(
                f"cannot read the manifest {path} (it is not a file)",
                fix="pass a file that `penstock list` made",
                about=str(path),
            )
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
        except UNREADABLE as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else _told(path, error)
            raise RecordError(
                f"cannot read the manifest {path} ({reason})",
                fix="pass a file that `penstock list` made",
                about=str(path),
            ) from error
        try:
            self.info = self._read_info()
        except BaseException:
            self._file.close()
            raise
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._cache: OrderedDict[int, ExtentColumns] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let go of what was read."""
        self._file.close()
        self._cache.clear()
        self._cached_bytes = 0

    def row(self, number: int) -> Extent:
        """Return the extent of one row (0-based over all splits).

        Raises:
            IndexError: there is no such row.
        """
        if not 0 <= number < self.info.num_extents:
            raise IndexError(f"row {number} of {self.info.num_extents}")
        group = int(np.searchsorted(self._ends, number, side="right"))
        start = int(self._ends[group - 1]) if group else 0
        return self._row_group(group)[number - start]

    @property
    def chunk_rows(self) -> int:
        """How many rows of a shuffled order are well asked for at once: more where the cache cannot hold all.

        Of a larger manifest each chunk costs the reading of most row groups, whatever its size is.
        """
        return CHUNK_ROWS if self._table_bytes <= self._cache_bytes else LARGE_CHUNK_ROWS

    def take(self, rows: NDArray[np.int64]) -> ExtentRows:
        """Return many rows at once, in the order asked for; each row group that they lie in is read once at most.

        Args:
            rows: row numbers, 0-based over all splits, any of them any number of times, shape (extents,).

        Raises:
            IndexError: there is no such row.
        """
        wanted = np.array(rows, dtype=np.int64)
        outside = wanted[(wanted < 0) | (wanted >= self.info.num_extents)]
        if len(outside):
            raise IndexError(f"row {outside[0]} of {self.info.num_extents}")
        return gather_rows(wanted, self._ends, self._row_group, cached=frozenset(self._cache))

    def rows(self, split: str) -> Iterator[Extent]:
        """Return the extents of a split in order."""
        part = self.info.split(split)
        for number in range(part.first_row, part.first_row + part.num_extents):
            yield self.row(number)

    def counts(self, split: Split) -> NDArray[np.int64]:
        """Return how many samples each extent of a split has, shape (extents,)."""
        found = np.empty(split.num_extents, np.int64)
        start = 0
        for group, end in enumerate(self._ends.tolist()):
            first, stop = max(start, split.first_row), min(end, split.first_row + split.num_extents)
            if first < stop:
                try:
                    column = self._file.read_row_group(group, columns=["num_samples"], use_threads=False).column(0)
                    numbers = column.to_numpy()[first - start : stop - start]
                except UNREADABLE as error:
                    raise self._damaged(str(error)) from error
                found[first - split.first_row : stop - split.first_row] = numbers
            start = end
        if int(found.sum()) != split.num_samples or int(found.min(initial=1)) < 1:
            raise self._damaged("its extents do not have the samples that it says they have")
        return found

    def _read_info(self) -> ManifestInfo:
        try:
            raw = (self._file.metadata.metadata or {}).get(METADATA_KEY)
            groups = [self._file.metadata.row_group(group) for group in range(self._file.num_row_groups)]
            counts = [group.num_rows for group in groups]
            table_bytes = sum(group.total_byte_size for group in groups)
            known = self._file.schema_arrow.equals(SCHEMA)
        except UNREADABLE as error:
            raise self._damaged(str(error)) from error
        if raw is None:
            raise RecordError(
                f"{self.path} is not a manifest", fix="pass a file that `penstock list` made", about=str(self.path)
            )
        info = decode_record(raw, ManifestInfo, origin=str(self.path))
        self._ends: NDArray[np.int64] = np.cumsum(counts, dtype=np.int64)
        self._table_bytes = table_bytes
        if not known or sum(counts) != info.num_extents:
            raise self._damaged("its rows are not those that it says it has")
        return info

    def _row_group(self, group: int) -> ExtentColumns:
        cached = self._cache.get(group)
        if cached is not None:
            self._cache.move_to_end(group)
            return cached
        try:
            table = self._file.read_row_group(group, use_threads=False)
            table.validate(
                full=True
            )  # texts that are none, and places beyond a dictionary, which nobody else looks for
            columns = ExtentColumns(table)
        except UNREADABLE as error:
            raise self._damaged(str(error)) from error
        self._cache[group] = columns
        self._cached_bytes += columns.size_bytes
        while self._cached_bytes > self._cache_bytes and len(self._cache) > 1:
            _, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= dropped.size_bytes
        return columns

    def _damaged(self, reason: str) -> RecordError:
        return damaged(self.path, reason)


def damaged(path: Path, reason: str) -> RecordError:
    """Return the error of a manifest that cannot be read."""
    return RecordError(
        f"the manifest {path} is damaged ({reason})", fix="make it again with `penstock list`", about=str(path)
    )


def _told(path: Path, error: Exception) -> str:
    """Say what the file is instead, or what is wrong with it."""
    try:
        with path.open("rb") as file:
            what = what_it_is(file.read(WHOLE_BYTES))
    except OSError:
        what = ""
    return f"it is {what}" if what and not what.startswith("a Parquet") else str(error)
