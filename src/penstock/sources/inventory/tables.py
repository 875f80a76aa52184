"""Tables of an inventory's file: CSV (packed by gzip or not), Parquet or ORC, a block at a time.

Memory is a block of CSV, or a batch of rows and the pages (Parquet, which is mapped) or blocks (ORC) that they lie in.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from penstock.column_chunks import column_chunks
from penstock.sources.inventory.report import BadInventory, InventoryKind, Report, plain_name, plain_names
from penstock.units import format_bytes

__all__ = ["read_tables"]

BLOCK_BYTES = 4 << 20
BATCH_ROWS = 16384
MOST_GROUP_BYTES = 4 << 30
"""Of a row group's columns that are used, unpacked; stores write files of some 100 MB in all."""
MOST_FOOTER_BYTES = 8 << 20
"""Of Parquet; stores write some hundred KB."""
_TAIL_BYTES = 8
"""A footer's length and the magic, behind it."""
_GZIP = b"\x1f\x8b"
_QUOTE = '"'


def read_tables(file: BinaryIO, report: Report, kind: InventoryKind) -> Iterator[pa.RecordBatch]:
    """Return the rows of a file, with those of its columns that are used, by their plain names.

    Raises:
        BadInventory: a needed column is missing, or the file is damaged.
    """
    try:
        if report.file_format == "csv":
            yield from _of_csv(file, report, kind)
        elif report.file_format == "parquet":
            yield from _of_parquet(file, kind)
        else:
            yield from _of_orc(file, kind)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInventory(f"has a file that is no {report.file_format} or is damaged ({reason})") from error


def _of_csv(file: BinaryIO, report: Report, kind: InventoryKind) -> Iterator[pa.RecordBatch]:
    first = _first_cells(file, report.delimiter)
    if first is None:
        return
    needed = set(kind.needed)
    has_header = needed <= {plain_name(cell) for cell in first} or not report.columns
    chosen = _chosen(first if has_header else report.columns, kind)
    reader = pa_csv.open_csv(
        _unpacked(file),
        read_options=pa_csv.ReadOptions(
            block_size=BLOCK_BYTES, use_threads=False, column_names=None if has_header else list(report.columns)
        ),
        parse_options=pa_csv.ParseOptions(delimiter=report.delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            include_columns=list(chosen.values()),
            column_types=dict.fromkeys(chosen.values(), pa.string()),
            strings_can_be_null=False,
        ),
    )
    for batch in reader:
        yield batch.rename_columns(list(chosen))


def _of_parquet(file: BinaryIO, kind: InventoryKind) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(pa.BufferReader(_mapped(file)), pre_buffer=False) as parquet:
        chosen = _chosen(parquet.schema_arrow.names, kind)
        _check_groups(file, set(chosen.values()))
        batches = parquet.iter_batches(BATCH_ROWS, columns=list(chosen.values()), use_threads=False)
        for batch in batches:
            yield _named(batch, chosen)


def _mapped(file: BinaryIO) -> pa.Buffer:
    """Return the bytes of a file: reading by parts allocates what a page says that it has, which may be a lie."""
    try:
        return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):  # in memory, or empty
        file.seek(0)
        return pa.py_buffer(file.read())


def _check_groups(file: BinaryIO, used: set[str]) -> None:
    """Refuse what would unpack to more than any store writes, before anything is unpacked."""
    size = file.seek(-_TAIL_BYTES, io.SEEK_END)
    length = int.from_bytes(file.read(4), "little")
    if length > min(size, MOST_FOOTER_BYTES):
        raise BadInventory(f"has a file with a footer of {format_bytes(length)}")
    file.seek(size - length)
    try:
        groups = column_chunks(file.read(length))
    except ValueError as error:
        raise BadInventory(f"has a file that is no parquet or is damaged ({error})") from error
    for chunks in groups:
        unpacked = sum(chunk.unpacked_bytes for chunk in chunks if ".".join(chunk.path) in used)
        if unpacked > MOST_GROUP_BYTES:
            raise BadInventory(f"has a file with a row group of {format_bytes(unpacked)} unpacked")


def _of_orc(file: BinaryIO, kind: InventoryKind) -> Iterator[pa.RecordBatch]:
    """Read ORC by Arrow's datasets: ``ORCFile`` reads whole stripes, whose size is the writer's choice."""
    from pyarrow.dataset import OrcFileFormat  # here: 5 MB that other inventories do without

    found = OrcFileFormat().make_fragment(pa.PythonFile(_Lent(file), mode="r"))
    chosen = _chosen(found.physical_schema.names, kind)
    batches = found.to_batches(
        columns=list(chosen.values()),
        batch_size=BATCH_ROWS,
        batch_readahead=0,
        fragment_readahead=0,
        use_threads=False,
    )
    for batch in batches:
        yield _named(batch, chosen)


def _named(batch: pa.RecordBatch, chosen: dict[str, str]) -> pa.RecordBatch:
    """Return the chosen columns under their plain names; files give them in an order of their own."""
    return pa.record_batch([batch.column(name) for name in chosen.values()], names=list(chosen))


def _chosen(columns: Sequence[str], kind: InventoryKind) -> dict[str, str]:
    """Return the columns that are used by their plain names.

    Raises:
        BadInventory: one that is needed is missing.
    """
    named = plain_names(columns)
    missing = [column for column in kind.needed if column not in named]
    if missing:
        raise BadInventory(f"has no column {', '.join(missing)}: it has {', '.join(columns)}", fix=kind.ask)
    return {name: column for name, column in named.items() if name in kind.used}


def _first_cells(file: BinaryIO, delimiter: str) -> list[str] | None:
    """Return the cells of a CSV's first line, None where there is none; names of columns hold no quotes."""
    with _unpacked(file) as stream:
        start = stream.read(BLOCK_BYTES // 16)
    line = start.partition(b"\n")[0].decode("utf-8-sig", "replace").strip("\r")
    return [cell.strip().strip(_QUOTE) for cell in line.split(delimiter)] if start else None


def _unpacked(file: BinaryIO) -> pa.NativeFile:
    file.seek(0)
    is_packed = file.read(2) == _GZIP
    file.seek(0)
    plain = pa.PythonFile(_Lent(file), mode="r")
    return pa.CompressedInputStream(plain, "gzip") if is_packed else plain


class _Lent:
    """A file that stays open when who reads it has ended."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
        self.closed = False

    def close(self) -> None:
        """Leave it open."""
        self.closed = True

    def readable(self) -> bool:
        """It is read."""
        return True

    def writable(self) -> bool:
        """It is not written."""
        return False

    def seekable(self) -> bool:
        """It can be read from anywhere."""
        return True
