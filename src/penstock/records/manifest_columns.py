"""The Parquet columns of a manifest: samples to a table, and a row group's columns back to samples.

Rows that were read stay in columns, about 90 bytes a sample instead of the 1,000 of its Python objects, and a
``Sample`` is made when it is asked for: a shuffled order visits row groups at random, so what counts is how
many of them fit in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.records.manifest import Sample, Span

__all__ = ["METADATA_KEY", "SCHEMA", "SampleColumns", "to_table"]

METADATA_KEY = b"penstock.manifest"
"""Where the file's key-value metadata holds the ``ManifestInfo``."""

_SPAN = pa.struct(
    [
        pa.field("object", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("object_bytes", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length_bytes", pa.int64(), nullable=False),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("spans", pa.list_(pa.field("item", _SPAN, nullable=False)), nullable=False),
        pa.field("target", pa.float64(), nullable=True),
        pa.field("decode", pa.string(), nullable=False),
        pa.field("args", pa.list_(pa.field("item", pa.int64(), nullable=False)), nullable=False),
    ]
)


def to_table(samples: Sequence[Sample]) -> pa.Table:
    """Give a table of one row a sample."""
    return pa.Table.from_pylist([msgspec.to_builtins(sample) for sample in samples], schema=SCHEMA)


class SampleColumns:
    """The samples of one row group, in columns."""

    def __init__(self, table: pa.Table) -> None:
        columns = {name: table.column(name).combine_chunks() for name in SCHEMA.names}
        spans = columns["spans"]
        items = spans.values
        self._keys = columns["key"]
        self._groups = _Texts(columns["group"])
        self._decodes = _Texts(columns["decode"])
        self._targets: NDArray[np.float64] = columns["target"].to_numpy(zero_copy_only=False)
        self._known: NDArray[np.bool_] = columns["target"].is_valid().to_numpy(zero_copy_only=False)
        self._span_ends = _narrow(spans.offsets)
        self._objects = _Texts(items.field("object"))
        self._etags = _Texts(items.field("etag"))
        self._numbers = [_narrow(items.field(name)) for name in ("object_bytes", "offset", "length_bytes")]
        self._arg_ends = _narrow(columns["args"].offsets)
        self._args = _narrow(columns["args"].values)
        arrays = [self._targets, self._known, self._span_ends, *self._numbers, self._arg_ends, self._args]
        texts = (self._groups, self._decodes, self._objects, self._etags)
        self.size_bytes: int = (
            self._keys.nbytes + sum(array.nbytes for array in arrays) + sum(text.size_bytes for text in texts)
        )

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, row: int) -> Sample:
        object_bytes, offsets, lengths = self._numbers
        return Sample(
            key=self._keys[row].as_py(),
            group=self._groups[row],
            spans=tuple(
                Span(
                    object=self._objects[at],
                    etag=self._etags[at],
                    object_bytes=int(object_bytes[at]),
                    offset=int(offsets[at]),
                    length_bytes=int(lengths[at]),
                )
                for at in range(int(self._span_ends[row]), int(self._span_ends[row + 1]))
            ),
            target=float(self._targets[row]) if self._known[row] else None,
            decode=self._decodes[row],
            args=tuple(self._args[int(self._arg_ends[row]) : int(self._arg_ends[row + 1])].tolist()),
        )


class _Texts:
    """A column of texts that repeat: each distinct one is kept once."""

    def __init__(self, array: pa.Array) -> None:
        encoded = array.dictionary_encode()
        self._values: list[str] = encoded.dictionary.to_pylist()
        self._codes = _narrow(encoded.indices)
        self.size_bytes = self._codes.nbytes + sum(len(value) + 60 for value in self._values)

    def __getitem__(self, row: int) -> str:
        return self._values[int(self._codes[row])]


def _narrow(array: pa.Array) -> NDArray[Any]:
    """Give whole numbers in the smallest type that holds them all, in memory of their own."""
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    if not values.size:
        return np.zeros(0, dtype=np.int8)
    low, high = values.min(), values.max()
    types = (np.uint8, np.uint16, np.uint32) if low >= 0 else (np.int8, np.int16, np.int32)
    return values.astype(
        next((kind for kind in types if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max), np.int64)
    )
