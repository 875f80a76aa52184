"""The Parquet columns of a manifest: extents to a table, and a row group's columns back to extents.

Rows that were read stay in columns, about 80 bytes an extent instead of the 1,000 of its Python objects, and an
``Extent`` is made when it is asked for: a shuffled order visits row groups at random, so what counts is how many of
them fit in memory. A codec is a dictionary's item: in the file and in memory it lies once in each row group that its
object reaches into, however many rows those are.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.manifest.lists import Lists, Numbers, Values, runs
from penstock.manifest.schema import Extent, Span
from penstock.manifest.texts import Texts, narrow

__all__ = ["METADATA_KEY", "SCHEMA", "ExtentColumns", "ExtentRows", "gather_rows", "to_table"]

METADATA_KEY = b"penstock.manifest"
"""Where the file's key-value metadata holds the ``ManifestInfo``."""

_SPAN = pa.struct(
    [
        pa.field("object", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("validator", pa.string()),
        pa.field("object_bytes", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length_bytes", pa.int64(), nullable=False),
    ]
)
_SAMPLES = ("keys", "groups", "targets", "args")
"""Columns of what is known of each sample."""


def _list_of(kind: pa.DataType, *, nullable: bool = False) -> pa.DataType:
    return pa.list_(pa.field("item", kind, nullable=nullable))


SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("spans", _list_of(_SPAN), nullable=False),
        pa.field("codec", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("num_samples", pa.int64(), nullable=False),
        pa.field("keys", _list_of(pa.string()), nullable=False),
        pa.field("groups", _list_of(pa.string()), nullable=False),
        pa.field("targets", _list_of(pa.float64(), nullable=True), nullable=False),
        pa.field("args", _list_of(_list_of(pa.int64())), nullable=False),
    ]
)


def to_table(extents: Sequence[Extent]) -> pa.Table:
    """Return a table of one row an extent."""
    kinds = {field.name: field.type for field in SCHEMA}
    spans = [span for extent in extents for span in extent.spans]
    items = [pa.array([getattr(span, field.name) for span in spans], field.type) for field in _SPAN]
    objects = pa.StructArray.from_arrays(items, fields=list(_SPAN))
    args = [numbers for extent in extents for numbers in extent.args]
    columns = [
        pa.array([extent.key for extent in extents], kinds["key"]),
        pa.array([extent.group for extent in extents], kinds["group"]),
        _as_lists([len(extent.spans) for extent in extents], objects, kinds["spans"]),
        pa.array([extent.codec for extent in extents], kinds["codec"]),
        pa.array([extent.num_samples for extent in extents], kinds["num_samples"]),
        _to_lists([extent.keys for extent in extents], kinds["keys"]),
        _to_lists([extent.groups for extent in extents], kinds["groups"]),
        _to_lists([extent.targets for extent in extents], kinds["targets"]),
        _as_lists([len(extent.args) for extent in extents], _to_lists(args, kinds["args"].value_type), kinds["args"]),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _to_lists(lists: Sequence[Sequence[Any]], kind: pa.ListType) -> pa.Array:
    return _as_lists([len(items) for items in lists], pa.array(list(chain.from_iterable(lists)), kind.value_type), kind)


def _as_lists(counts: Sequence[int], values: pa.Array, kind: pa.ListType) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(list(accumulate(counts, initial=0)), pa.int32()), values, type=kind)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtentRows:
    """Rows of a manifest, in the order that was asked for; an extent of several spans has several rows of spans.

    Attributes:
        rows: row numbers, shape (extents,).
        extent_bytes: bytes to fetch for each, shape (extents,).
        num_samples: of each extent, in a type that is small, shape (extents,).
        keys: of each extent.
        groups: of each extent.
        codecs: of each extent; equal ones of a row group are one object.
        of_samples: keys, groups, targets and args of each extent's samples, tuples that are empty where nothing is
            known of them.
        span_ends: where each extent's spans end in the following, cumulative, shape (extents,).
        span_objects: object of each span.
        span_versions: version of each span's object.
        span_validators: what a request for each must send, None where the version is that.
        span_object_bytes: size of each span's object, shape (spans,).
        span_offsets: where each span begins in its object, shape (spans,).
        span_lengths: bytes of each span, shape (spans,).
    """

    rows: NDArray[np.int64]
    extent_bytes: NDArray[np.int64]
    num_samples: NDArray[Any]
    keys: list[str]
    groups: list[str]
    codecs: list[str]
    of_samples: tuple[list[Any], list[Any], list[Any], list[Any]]
    span_ends: NDArray[np.int64]
    span_objects: list[str]
    span_versions: list[str]
    span_validators: Sequence[str | None]
    span_object_bytes: NDArray[np.int64]
    span_offsets: NDArray[np.int64]
    span_lengths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def all_groups(self) -> set[str]:
        """Return the groups of all samples."""
        return {name for group, each in zip(self.groups, self.of_samples[1], strict=True) for name in each or (group,)}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """Some rows of one row group, in arrays of one item an extent or a span."""

    extents: tuple[NDArray[np.object_], ...]
    """Keys, groups, codecs and what is known of the samples, shape (extents,) each."""
    num_samples: NDArray[Any]
    span_counts: NDArray[np.int64]
    texts: tuple[NDArray[np.object_], ...]
    """Objects, versions and validators, shape (spans,) each."""
    numbers: tuple[NDArray[np.int64], ...]
    """Object sizes, offsets and lengths, shape (spans,) each."""


class _NoValues:
    """Values that are kept elsewhere, of a list column whose places alone are asked for."""

    size_bytes = 0

    def __getitem__(self, row: int) -> None:
        return None

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        return np.zeros(0, np.object_)


class ExtentColumns:
    """The extents of one row group, in columns."""

    def __init__(self, table: pa.Table) -> None:
        columns = {name: table.column(name).combine_chunks() for name in SCHEMA.names}
        spans = columns["spans"]
        items = spans.values
        self._num_rows = len(spans)
        self._keys, self._groups, self._codecs = (Texts(columns[name]) for name in ("key", "group", "codec"))
        self._num_samples = narrow(columns["num_samples"])
        self._of_samples = [_lists(columns[name]) for name in _SAMPLES]
        self._spans = Lists(spans, _NoValues())
        # Whole objects have their key as their extent's: kept once, and made a text of Python once.
        self._named_by_object = len(items) == len(spans) and items.field("object").equals(columns["key"])
        self._objects = self._keys if self._named_by_object else Texts(items.field("object"))
        self._versions = Texts(items.field("version"))
        self._validators = _texts_or_none(items.field("validator"))
        self._numbers = [narrow(items.field(name)) for name in ("object_bytes", "offset", "length_bytes")]
        kept: list[Values] = [self._keys, self._groups, self._codecs, self._versions, self._validators]
        kept += [*self._of_samples, self._spans, *([] if self._named_by_object else [self._objects])]
        arrays = [self._num_samples, *self._numbers]
        self.size_bytes: int = sum(array.nbytes for array in arrays) + sum(column.size_bytes for column in kept)

    def __len__(self) -> int:
        return self._num_rows

    def __getitem__(self, row: int) -> Extent:
        sizes, offsets, lengths = self._numbers
        spans = (
            Span(
                object=self._objects[at],
                version=self._versions[at],
                validator=self._validators[at],
                object_bytes=int(sizes[at]),
                offset=int(offsets[at]),
                length_bytes=int(lengths[at]),
            )
            for at in range(*self._spans.bounds(row))
        )
        keys, groups, targets, args = (column[row] for column in self._of_samples)
        return Extent(
            key=self._keys[row],
            group=self._groups[row],
            spans=tuple(spans),
            codec=self._codecs[row],
            num_samples=int(self._num_samples[row]),
            keys=keys,
            groups=groups,
            targets=targets,
            args=args,
        )

    def take(self, rows: NDArray[np.int64]) -> _Part:
        """Return rows of the row group, 0-based, shape (extents,)."""
        counts, places = self._spans.places(rows)
        keys = self._keys.take(rows)
        of_samples = (column.take(rows) for column in self._of_samples)
        return _Part(
            extents=(keys, self._groups.take(rows), self._codecs.take(rows), *of_samples),
            num_samples=self._num_samples[rows],
            span_counts=counts,
            texts=(
                keys if self._named_by_object else self._objects.take(places),
                self._versions.take(places),
                self._validators.take(places),
            ),
            numbers=tuple(numbers[places].astype(np.int64) for numbers in self._numbers),
        )


class _Nones(Sequence[None]):
    """So many times None, in no memory."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> None: ...
    @overload
    def __getitem__(self, at: slice) -> list[None]: ...
    def __getitem__(self, at: int | slice) -> list[None] | None:
        if isinstance(at, slice):
            return [None] * len(range(self._length)[at])
        range(self._length)[at]
        return None


def _or_nones(texts: list[str | None]) -> Sequence[str | None]:
    return _Nones(len(texts)) if texts.count(None) == len(texts) else texts


class _OptionalTexts:
    """Texts of which some, or all, are None."""

    def __init__(self, array: pa.Array) -> None:
        is_empty = array.null_count == len(array)
        self._values: NDArray[np.object_] | None = None if is_empty else array.to_numpy(zero_copy_only=False)
        self.size_bytes: int = 0 if is_empty else 2 * array.nbytes + 60 * len(array)

    def __getitem__(self, row: int) -> str | None:
        return None if self._values is None else self._values[row]

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        return np.full(len(rows), None, np.object_) if self._values is None else self._values[rows]


def _texts_or_none(array: pa.Array) -> Texts | _OptionalTexts:
    return _OptionalTexts(array) if array.null_count or not len(array) else Texts(array)


def _lists(array: pa.ListArray) -> Lists:
    """Return a list column, of lists too."""
    values = array.values
    if pa.types.is_list(values.type):
        return Lists(array, _lists(values))
    return Lists(array, Texts(values) if pa.types.is_string(values.type) else Numbers(values))


def gather_rows(
    rows: NDArray[np.int64],
    ends: NDArray[np.int64],
    read: Callable[[int], ExtentColumns],
    *,
    cached: Container[int] = (),
) -> ExtentRows:
    """Return rows of a manifest in the order asked for, reading each row group that they lie in once.

    Args:
        rows: row numbers, in any order, shape (extents,).
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


def _join(rows: NDArray[np.int64], parts: Sequence[_Part], places: NDArray[np.int64]) -> ExtentRows:
    """Join parts, and give their extents in an order: ``places`` tells where each lies in the parts together."""
    counts = _joined([part.span_counts for part in parts], np.int64)
    starts = (np.cumsum(counts) - counts)[places]
    counts = counts[places]
    span_ends = np.cumsum(counts)
    single = bool((counts == 1).all())
    span_places = places if single else runs(starts, counts)
    texts = [[part.texts[at] for part in parts] for at in range(3)]
    objects, versions, validators = (_joined(found, object)[span_places] for found in texts)
    columns = [[part.extents[at] for part in parts] for at in range(7)]
    keys, groups, codecs, *of_samples = (_joined(found, object)[places].tolist() for found in columns)
    sizes, offsets, lengths = (_joined([part.numbers[at] for part in parts], np.int64)[span_places] for at in range(3))
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return ExtentRows(
        rows=rows,
        extent_bytes=lengths.copy() if single else total[span_ends] - total[span_ends - counts],
        num_samples=_joined([part.num_samples for part in parts], np.uint8)[places],
        keys=keys,
        groups=groups,
        codecs=codecs,
        of_samples=(of_samples[0], of_samples[1], of_samples[2], of_samples[3]),
        span_ends=span_ends,
        span_objects=objects.tolist(),
        span_versions=versions.tolist(),
        span_validators=_or_nones(validators.tolist()),
        span_object_bytes=sizes,
        span_offsets=offsets,
        span_lengths=lengths,
    )


def _joined(arrays: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    """Join arrays, of which there may be none."""
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=kind)
