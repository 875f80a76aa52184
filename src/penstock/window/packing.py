"""Packing samples into slots, in plan order: small samples go many to a slot.

A slot holds a table (an entry a sample), the samples' descriptions, then their bytes. Of a sample that is kept it
holds the entry and the description alone; the bytes lie in the kept part. Greedy: a sample that does not fit any more
begins the next slot, so packing from one index always cuts alike.

Samples of a pack that lie near one another in an object are read by one request, straight to their places: they lie in
the slot as they lie in the object, overlaps once, and what little lies between them is thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import WindowTooSmall
from penstock.records import SampleRows
from penstock.sources import ObjectInfo
from penstock.units import KIB, MIB, format_bytes
from penstock.window.geometry import SLOT_TAIL_BYTES
from penstock.window.kept import NOT_KEPT, align
from penstock.window.layout import SAMPLE_ENTRY, SampleMeta, SampleStatus

__all__ = ["MAX_WASTE", "Pack", "Read", "count_fitting", "encode_metas", "lay_out", "room_for_gaps", "too_large"]

SPLIT_ABOVE_BYTES = 16 * MIB
RANGE_BYTES = 8 * MIB
MERGED_BYTES = 2 * MIB
"""Most that one request for several samples asks for: more of them side by side are faster than one after another."""
MAX_GAP_BYTES = 4 * KIB
MAX_WASTE = 1 / 16
"""Of the samples' bytes that one request is for, the most that it reads between them."""

_encode = msgspec.msgpack.Encoder().encode


class Read(msgspec.Struct, frozen=True):
    """A range of an object and where it goes.

    Attributes:
        offset: first byte in the object.
        place: first byte in the slot, or in the file of slots if the sample is kept.
        positions: samples of the pack that it is for.
    """

    info: ObjectInfo
    offset: int
    length_bytes: int
    place: int
    is_kept: bool
    positions: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pack:
    """What one slot is filled with.

    Attributes:
        first_index: stream index of the first sample; the others follow without a gap.
        keys: names of the samples.
        table: an entry a sample, checksums still 0, shape (samples,).
        metas: the samples' descriptions, joined.
        length_bytes: end of the samples' bytes in the slot.
        wasted_bytes: what is read between the samples.
        kept_end: end of the last kept sample's bytes in the file of slots, 0 where none is kept.
        reads: what is to be read, in the order of the samples.
    """

    first_index: int
    keys: Sequence[str]
    table: NDArray[np.void]
    metas: bytes
    length_bytes: int
    wasted_bytes: int
    kept_end: int
    reads: Sequence[Read]

    @property
    def end_index(self) -> int:
        """Stream index after the last sample."""
        return self.first_index + len(self.keys)


def encode_metas(rows: SampleRows) -> list[bytes]:
    """Give the samples' descriptions."""
    columns = zip(rows.keys, rows.groups, rows.targets, rows.decodes, rows.args, strict=True)
    return [_encode(SampleMeta(*column)) for column in columns]


def count_fitting(sample_bytes: NDArray[np.int64], meta_bytes: NDArray[np.int64], *, slot_bytes: int) -> int:
    """Give how many samples, from the first on, fit one slot; 0 where the first does not.

    Args:
        sample_bytes: what each takes in the slot, 0 where it is kept, shape (samples,).
        meta_bytes: size of its description, shape (samples,).
    """
    fixed = np.cumsum(meta_bytes + SAMPLE_ENTRY.itemsize)
    ends = align(fixed) + np.cumsum(align(sample_bytes))
    return int(np.searchsorted(ends, slot_bytes - SLOT_TAIL_BYTES, side="right"))


def room_for_gaps(sample_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the room to leave beside samples of objects that hold several, shape as given."""
    gaps: NDArray[np.int64] = np.minimum(sample_bytes * MAX_WASTE, MAX_GAP_BYTES).astype(np.int64)
    return gaps


def too_large(key: str, needed_bytes: int, slot_bytes: int) -> WindowTooSmall:
    """Give the error of a sample that does not fit a slot."""
    room = slot_bytes - SLOT_TAIL_BYTES
    return WindowTooSmall(
        f"{key} needs {format_bytes(needed_bytes)} of a slot of {format_bytes(room)}",
        fix="pass a larger --window-size",
        about=key,
    )


def lay_out(
    rows: SampleRows,
    metas: Sequence[bytes],
    kept: NDArray[np.int64],
    *,
    first: int,
    count: int,
    first_index: int,
    slot_bytes: int,
) -> Pack:
    """Give the pack of ``count`` samples from row ``first`` of ``rows`` on, which fit a slot.

    Args:
        kept: where in the file of slots each row's sample is kept, NOT_KEPT where it is streamed, shape (rows,).
    """
    part = slice(first, first + count)
    sizes, mine, kept = rows.sample_bytes[part], list(metas[part]), kept[part]
    meta_bytes = np.fromiter(map(len, mine), np.int64, count)
    meta_ends = np.cumsum(meta_bytes) + count * SAMPLE_ENTRY.itemsize
    data_at = align(int(meta_ends[-1]))
    spans = _Spans(rows, first, count)
    streamed = np.flatnonzero(kept == NOT_KEPT)
    places, wasted = kept.copy(), 0
    if spans.may_touch():
        reads, length, wasted = _place_near(
            spans, sizes, streamed.tolist(), places, data_at, slot_bytes - SLOT_TAIL_BYTES
        )
    else:
        ends = data_at + np.cumsum(align(sizes[streamed]))
        places[streamed] = ends - align(sizes[streamed])
        length = int(ends[-1]) if len(ends) else data_at
        reads = [read for at in streamed.tolist() for read in spans.reads(at, int(places[at]), is_kept=False)]
    if len(streamed) < count:
        others = np.flatnonzero(kept != NOT_KEPT).tolist()
        reads += [read for at in others for read in spans.reads(at, int(places[at]), is_kept=True)]
        reads.sort(key=lambda read: read.positions[0])
    table = np.zeros(count, SAMPLE_ENTRY)
    table["data_offset"], table["data_bytes"] = places, sizes
    table["meta_offset"], table["meta_bytes"] = meta_ends - meta_bytes, meta_bytes
    table["status"] = np.where(kept == NOT_KEPT, SampleStatus.DATA, SampleStatus.KEPT)
    return Pack(
        first_index=first_index,
        keys=rows.keys[part],
        table=table,
        metas=b"".join(mine),
        length_bytes=length,
        wasted_bytes=wasted,
        kept_end=int((kept + sizes)[kept != NOT_KEPT].max(initial=0)),
        reads=reads,
    )


class _Spans:
    """The spans of a pack's samples, by the samples' positions in it."""

    def __init__(self, rows: SampleRows, first: int, count: int) -> None:
        ends = rows.span_ends[first : first + count].tolist()
        start = int(rows.span_ends[first - 1]) if first else 0
        self._ends = [end - start for end in ends]
        self._starts = [0, *self._ends[:-1]]
        stop = start + (self._ends[-1] if count else 0)
        self.objects = rows.span_objects[start:stop]
        self._etags = rows.span_etags[start:stop]
        self._object_bytes = rows.span_object_bytes[start:stop].tolist()
        self.offsets = rows.span_offsets[start:stop].tolist()
        self.lengths = rows.span_lengths[start:stop].tolist()

    def may_touch(self) -> bool:
        """Tell whether two samples lie in one object."""
        return len(set(self.objects)) < len(self.objects)

    def only(self, position: int) -> int | None:
        """Give the number of a sample's span if it has one alone, that one request is enough for."""
        at = self._starts[position]
        return at if self._ends[position] == at + 1 and 0 < self.lengths[at] <= MERGED_BYTES else None

    def info(self, at: int) -> ObjectInfo:
        """Give the object of a span."""
        return ObjectInfo(key=self.objects[at], size_bytes=self._object_bytes[at], etag=self._etags[at])

    def same_object(self, at: int, other: int) -> bool:
        """Tell whether two spans lie in one version of one object."""
        return self.objects[at] == self.objects[other] and self._etags[at] == self._etags[other]

    def reads(self, position: int, place: int, *, is_kept: bool) -> Iterator[Read]:
        """Give what is to be read of one sample."""
        for at in range(self._starts[position], self._ends[position]):
            length, info = self.lengths[at], self.info(at)
            step = RANGE_BYTES if length > SPLIT_ABOVE_BYTES else max(length, 1)
            for offset in range(0, length, step):
                size = min(step, length - offset)
                yield Read(info, self.offsets[at] + offset, size, place + offset, is_kept, (position,))
            place += length


@dataclass(slots=True)
class _Run:
    """Samples that one request reads: bytes ``start`` to ``end`` of an object, of which ``wanted`` are theirs."""

    at: int
    start: int
    end: int
    wanted: int
    members: list[tuple[int, int]]


def _place_near(
    spans: _Spans, sizes: NDArray[np.int64], streamed: list[int], places: NDArray[np.int64], data_at: int, room: int
) -> tuple[list[Read], int, int]:
    """Place samples beside their neighbours in the object; give the reads, where they end, and what they waste."""
    alone = [position for position in streamed if spans.only(position) is None]
    near = [(position, at) for position in streamed if (at := spans.only(position)) is not None]
    near.sort(key=lambda item: (spans.objects[item[1]], spans.offsets[item[1]]))
    runs = _find_runs(spans, near, spare_bytes=room - data_at - int(align(sizes[streamed]).sum()))
    reads: list[Read] = []
    for run in sorted(runs, key=lambda run: min(run.members)):
        for position, at in run.members:
            places[position] = data_at + spans.offsets[at] - run.start
        members = tuple(sorted(position for position, _ in run.members))
        reads.append(Read(spans.info(run.at), run.start, run.end - run.start, data_at, False, members))
        data_at += align(run.end - run.start)
    for position in alone:
        places[position] = data_at
        reads += spans.reads(position, data_at, is_kept=False)
        data_at += align(int(sizes[position]))
    if alone:
        reads.sort(key=lambda read: read.positions[0])
    return reads, data_at, sum(run.end - run.start - run.wanted for run in runs)


def _find_runs(spans: _Spans, near: Sequence[tuple[int, int]], *, spare_bytes: int) -> list[_Run]:
    """Join spans, sorted by object and offset, that lie near one another, for as long as there is room for gaps."""
    runs: list[_Run] = []
    for position, at in near:
        start, end = spans.offsets[at], spans.offsets[at] + spans.lengths[at]
        if runs and spans.same_object(runs[-1].at, at):
            run = runs[-1]
            gap, stop = start - run.end, max(run.end, end)
            wanted = run.wanted + stop - max(run.end, start)
            fits = stop - run.start <= MERGED_BYTES and (stop - run.start - wanted) <= MAX_WASTE * wanted
            if gap <= min(MAX_GAP_BYTES, spare_bytes) and fits:
                run.end, run.wanted = stop, wanted
                spare_bytes -= max(gap, 0)
                run.members.append((position, at))
                continue
        runs.append(_Run(at, start, end, end - start, [(position, at)]))
    return runs
