"""Sorted objects in a file, a batch of Arrow each ``BATCH_OBJECTS``; known by who has too many for memory alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow as pa

from penstock.files import ScratchFile
from penstock.sources.protocols import ObjectInfo

__all__ = ["BATCH_OBJECTS", "read_run", "write_run"]

BATCH_OBJECTS = 1024
_SCHEMA = pa.schema(
    [(name, pa.int64() if name == "size_bytes" else pa.string()) for name in ObjectInfo.__struct_fields__]
)


def write_run(file: ScratchFile, infos: Iterable[ObjectInfo]) -> Iterator[tuple[int, int]]:
    """Write objects behind what a file holds; return offset and length of each batch."""
    given = iter(infos)
    while batch := list(islice(given, BATCH_OBJECTS)):
        yield file.append(memoryview(_to_batch(batch).serialize()))


def read_run(file: ScratchFile, run: Iterable[tuple[int, int]]) -> Iterator[ObjectInfo]:
    """Return the objects that were written."""
    for offset, length_bytes in run:
        batch = pa.ipc.read_record_batch(pa.py_buffer(file.read(offset, length_bytes)), _SCHEMA)
        columns = (column.to_pylist() for column in batch.columns)
        for values in zip(*columns, strict=True):
            yield ObjectInfo(**dict(zip(_SCHEMA.names, values, strict=True)))


def _to_batch(infos: Sequence[ObjectInfo]) -> pa.RecordBatch:
    columns = [pa.array([getattr(info, field.name) for info in infos], field.type) for field in _SCHEMA]
    return pa.record_batch(columns, schema=_SCHEMA)
