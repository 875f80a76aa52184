"""The Parquet columns of a manifest: samples to a table, and a row group's columns back to samples.

Rows that were read stay in columns, about 90 bytes a sample instead of the 1,000 of its Python objects, and a
``Sample`` is made when it is asked for: a shuffled order visits row groups at random, so what counts is how
many of them fit in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.records.manifest import Sample, Span
from penstock.records.manifest_texts import Texts, narrow

__all__ = ["METADATA_KEY", "SCHEMA", "SampleColumns", "SampleRows", "gather_rows", "to_table"]

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
    spans = [span for sample in samples for span in sample.spans]
    items = [pa.array([getattr(span, field.name) for span in spans], field.type) for field in _SPAN]
    args = [number for sample in samples for number in sample.args]
    columns = [
        pa.array([sample.key for sample in samples], pa.string()),
        pa.array([sample.group for sample in samples], pa.string()),
        _to_lists([len(sample.spans) for sample in samples], pa.StructArray.from_arrays(items, fields=list(_SPAN))),
        pa.array([sample.target for sample in samples], pa.float64()),
        pa.array([sample.decode for sample in samples], pa.string()),
        _to_lists([len(sample.args) for sample in samples], pa.array(args, pa.int64())),
    ]
    arrays = [column.cast(field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _to_lists(counts: Sequence[int], values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.cumsum([0, *counts]), pa.int32()), values)


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRows:
    """Rows of a manifest, in the order that was asked for; a sample of several spans has several rows of spans.

    Attributes:
        rows: row numbers, shape (samples,).
        sample_bytes: bytes to fetch for each, shape (samples,).
        keys: of each sample.
        groups: of each sample.
        decodes: of each sample.
        targets: of each sample, None where there is none.
        args: of each sample.
        span_ends: where each sample's spans end in the following, cumulative, shape (samples,).
        span_objects: object of each span.
        span_etags: version of each span's object.
        span_object_bytes: size of each span's object, shape (spans,).
        span_offsets: where each span begins in its object, shape (spans,).
        span_lengths: bytes of each span, shape (spans,).
    """

    rows: NDArray[np.int64]
    sample_bytes: NDArray[np.int64]
    keys: list[str]
    groups: list[str]
    decodes: list[str]
    targets: list[float | None]
    args: list[tuple[int, ...]]
    span_ends: NDArray[np.int64]
    span_objects: list[str]
    span_etags: list[str]
    span_object_bytes: NDArray[np.int64]
    span_offsets: NDArray[np.int64]
    span_lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """Some rows of one row group, in arrays of one item a sample or a span."""

    samples: tuple[NDArray[np.object_], ...]
    """Keys, groups, decodes, targets and args, shape (samples,) each."""
    span_counts: NDArray[np.int64]
    texts: tuple[NDArray[np.object_], ...]
    """Objects and ETags, shape (spans,) each."""
    numbers: tuple[NDArray[np.int64], ...]
    """Object sizes, offsets and lengths, shape (spans,) each."""


class SampleColumns:
    """The samples of one row group, in columns."""

    def __init__(self, table: pa.Table) -> None:
        columns = {name: table.column(name).combine_chunks() for name in SCHEMA.names}
        spans = columns["spans"]
        items = spans.values
        self._keys = Texts(columns["key"])
        self._groups = Texts(columns["group"])
        self._decodes = Texts(columns["decode"])
        self._targets: NDArray[np.float64] = columns["target"].to_numpy(zero_copy_only=False)
        self._known = _is_known(columns["target"])
        self._span_ends = narrow(spans.offsets)
        # Whole objects have their key as their sample's: kept once, and made a text of Python once.
        self._named_by_object = len(items) == len(spans) and items.field("object").equals(columns["key"])
        self._objects = self._keys if self._named_by_object else Texts(items.field("object"))
        self._etags = Texts(items.field("etag"))
        self._numbers = [narrow(items.field(name)) for name in ("object_bytes", "offset", "length_bytes")]
        self._arg_ends = narrow(columns["args"].offsets)
        self._args = narrow(columns["args"].values)
        self._num_args = _same_count(self._arg_ends)
        self._num_spans = _same_count(self._span_ends)
        arrays = [self._targets, self._known, self._span_ends, *self._numbers, self._arg_ends, self._args]
        texts = [self._keys, self._groups, self._decodes, self._etags]
        texts += [] if self._named_by_object else [self._objects]
        self.size_bytes: int = sum(array.nbytes for array in arrays) + sum(text.size_bytes for text in texts)

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, row: int) -> Sample:
        object_bytes, offsets, lengths = self._numbers
        return Sample(
            key=self._keys[row],
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

    def take(self, rows: NDArray[np.int64]) -> _Part:
        """Give rows of the row group, 0-based, shape (samples,)."""
        starts = self._span_ends[rows].astype(np.int64)
        if self._num_spans == 1:
            counts, places = np.ones(len(rows), np.int64), starts
        else:
            counts = self._span_ends[rows + 1].astype(np.int64) - starts
            places = _runs(starts, counts)
        targets = self._targets[rows].astype(object)
        targets[~self._known[rows]] = None
        keys = self._keys.take(rows)
        return _Part(
            samples=(keys, self._groups.take(rows), self._decodes.take(rows), targets, self._take_args(rows)),
            span_counts=counts,
            texts=(keys if self._named_by_object else self._objects.take(places), self._etags.take(places)),
            numbers=tuple(numbers[places].astype(np.int64) for numbers in self._numbers),
        )

    def _take_args(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        found: Iterable[tuple[int, ...]]
        if self._num_args == 0:
            found = repeat((), len(rows))
        elif self._num_args is not None:
            found = map(tuple, self._args.reshape(-1, self._num_args)[rows].tolist())
        else:
            ends = zip(self._arg_ends[rows].tolist(), self._arg_ends[rows + 1].tolist(), strict=True)
            found = (tuple(self._args[start:end].tolist()) for start, end in ends)
        return np.fromiter(found, dtype=object, count=len(rows))


def gather_rows(
    rows: NDArray[np.int64],
    ends: NDArray[np.int64],
    read: Callable[[int], SampleColumns],
    *,
    cached: Container[int] = (),
) -> SampleRows:
    """Give rows of a manifest in the order asked for, reading each row group that they lie in once.

    Args:
        rows: row numbers, in any order, shape (samples,).
        ends: row at which each row group ends, ascending, shape (row groups,).
        read: reads a row group.
        cached: row groups that are read first, before others take their place.
    """
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    touched, firsts = np.unique(np.searchsorted(ends, ascending, side="right"), return_index=True)
    pieces = np.split(ascending, firsts[1:]) if len(touched) else []
    parts: list[_Part | None] = [None] * len(pieces)
    for at in sorted(range(len(pieces)), key=lambda at: int(touched[at]) not in cached):
        group = int(touched[at])
        parts[at] = read(group).take(pieces[at] - (ends[group - 1] if group else 0))
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return _join(rows, [part for part in parts if part is not None], places)


def _join(rows: NDArray[np.int64], parts: Sequence[_Part], places: NDArray[np.int64]) -> SampleRows:
    """Join parts, and give their samples in an order: ``places`` tells where each lies in the parts together."""
    counts = _joined([part.span_counts for part in parts], np.int64)
    starts = (np.cumsum(counts) - counts)[places]
    counts = counts[places]
    span_ends = np.cumsum(counts)
    single = bool((counts == 1).all())
    span_places = places if single else _runs(starts, counts)
    texts = [[part.texts[at] for part in parts] for at in range(2)]
    objects, etags = (_joined(found, object)[span_places].tolist() for found in texts)
    columns = [[part.samples[at] for part in parts] for at in range(5)]
    keys, groups, decodes, targets, args = (_joined(found, object)[places].tolist() for found in columns)
    sizes, offsets, lengths = (_joined([part.numbers[at] for part in parts], np.int64)[span_places] for at in range(3))
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return SampleRows(
        rows=rows,
        sample_bytes=lengths.copy() if single else total[span_ends] - total[span_ends - counts],
        keys=keys,
        groups=groups,
        decodes=decodes,
        targets=targets,
        args=args,
        span_ends=span_ends,
        span_objects=objects,
        span_etags=etags,
        span_object_bytes=sizes,
        span_offsets=offsets,
        span_lengths=lengths,
    )


def _joined(arrays: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    """Join arrays, of which there may be none."""
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=kind)


def _runs(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the whole numbers from each start, as many as its count, one run after the other."""
    ends = np.cumsum(counts)
    return np.arange(int(counts.sum()), dtype=np.int64) + np.repeat(starts - ends + counts, counts)


def _is_known(array: pa.Array) -> NDArray[np.bool_]:
    """Tell which values there are, shape (values,)."""
    validity = array.buffers()[0]
    if validity is None:
        return np.ones(len(array), np.bool_)
    bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(np.bool_)


def _same_count(ends: NDArray[Any]) -> int | None:
    """Give how many items each row of a list column has, None where they differ or some items are not its."""
    counts = np.diff(ends.astype(np.int64))
    return int(counts[0]) if len(counts) and (counts == counts[0]).all() and ends[0] == 0 else None
