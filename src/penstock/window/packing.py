"""Packing extents into slots, in plan order: small extents go many to a slot.

A slot holds the extents' heads (``penstock.window.heads``), then their bytes. Of an extent that is kept it holds the
head alone; the bytes lie in the kept part. Greedy: an extent that does not fit any more
begins the next slot, so packing from one index always cuts alike.

Extents of a pack that lie near one another in an object are read by one request, straight to their places: they lie in
the slot as they lie in the object, overlaps once, and what little lies between them is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import WindowTooSmall
from penstock.manifest import ExtentRows
from penstock.sources import ObjectInfo
from penstock.units import KIB, MIB, format_bytes
from penstock.window.cache import Cache, CachedPlace, Name
from penstock.window.geometry import SLOT_TAIL_BYTES
from penstock.window.heads import Heads
from penstock.window.kept import NOT_KEPT, align
from penstock.window.layout import ExtentStatus

__all__ = ["MAX_WASTE", "Pack", "Read", "count_fitting", "lay_out", "room_for_gaps", "too_large"]

SPLIT_ABOVE_BYTES = 16 * MIB
RANGE_BYTES = 8 * MIB
MERGED_BYTES = 2 * MIB
"""Most that one request for several extents asks for: more of them side by side are faster than one after another."""
MAX_GAP_BYTES = 4 * KIB
MAX_WASTE = 1 / 16
"""Of the extents' bytes that one request is for, the most that it reads between them."""


class Read(msgspec.Struct, frozen=True):
    """A range of an object and where it goes.

    Attributes:
        offset: first byte in the object.
        place: first byte in the slot, or in the file of slots if the extent is kept.
        positions: extents of the pack that it is for.
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
        first_index: stream index of the first extent; the others follow without a gap.
        keys: names of the extents.
        table: an entry an extent, checksums still 0, shape (extents,).
        described: the extents' descriptions and codecs, joined.
        length_bytes: end of the extents' bytes in the slot.
        wasted_bytes: what is read between the extents.
        kept_end: end of the last kept extent's bytes in the file of slots, 0 where none is kept.
        reads: what is to be read, in the order of the extents.
        names: of extents in a cache, by their positions; empty without one.
        held: where those of them lie that are there, by their positions; None where they are on their way there.
            Nothing is to be read for them.
        reads_of: gives what is to be read of one of them after all, by its position.
    """

    first_index: int
    keys: Sequence[str]
    table: NDArray[np.void]
    described: bytes
    length_bytes: int
    wasted_bytes: int
    kept_end: int
    reads: Sequence[Read]
    names: Mapping[int, Name] = field(default_factory=dict)
    held: Mapping[int, CachedPlace | None] = field(default_factory=dict)
    reads_of: Callable[[int], Iterable[Read]] = lambda _: ()

    @property
    def end_index(self) -> int:
        """Stream index after the last extent."""
        return self.first_index + len(self.keys)


def count_fitting(extent_bytes: NDArray[np.int64], head_bytes: NDArray[np.int64], *, slot_bytes: int) -> int:
    """Return how many extents, from the first on, fit one slot; 0 where the first does not.

    Args:
        extent_bytes: what each takes in the slot, 0 where it is kept, shape (extents,).
        head_bytes: what each adds to the heads, shape (extents,).
    """
    ends = align(np.cumsum(head_bytes)) + np.cumsum(align(extent_bytes))
    return int(np.searchsorted(ends, slot_bytes - SLOT_TAIL_BYTES, side="right"))


def room_for_gaps(extent_bytes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the room to leave beside extents of objects that hold several, shape as given."""
    gaps: NDArray[np.int64] = np.minimum(extent_bytes * MAX_WASTE, MAX_GAP_BYTES).astype(np.int64)
    return gaps


def too_large(key: str, needed_bytes: int, slot_bytes: int) -> WindowTooSmall:
    """Return the error of an extent that does not fit a slot."""
    room = slot_bytes - SLOT_TAIL_BYTES
    return WindowTooSmall(
        f"{key} needs {format_bytes(needed_bytes)} of a slot of {format_bytes(room)}",
        fix="pass a larger --window-size",
        about=key,
    )


def lay_out(
    rows: ExtentRows,
    heads: Heads,
    kept: NDArray[np.int64],
    *,
    first: int,
    count: int,
    first_index: int,
    slot_bytes: int,
    cache: Cache | None = None,
) -> Pack:
    """Return the pack of ``count`` extents from row ``first`` of ``rows`` on, which fit a slot.

    Args:
        kept: where in the file of slots each row's extent is kept, NOT_KEPT where it is streamed, shape (rows,).
        cache: in which extents that are streamed may lie.
    """
    part = slice(first, first + count)
    sizes, laid, kept = rows.extent_bytes[part], heads.lay_out(part), kept[part]
    table = laid.table
    data_at = align(table.nbytes + len(laid.data))
    spans = _Spans(rows, first, count)
    streamed = np.flatnonzero(kept == NOT_KEPT)
    places, wasted = kept.copy(), 0
    names = {} if cache is None else spans.names(streamed.tolist(), cache)
    held = {} if cache is None else spans.held(names, sizes, cache)
    if spans.may_touch():
        reads, length, wasted = _place_near(
            spans, sizes, streamed.tolist(), places, data_at, slot_bytes - SLOT_TAIL_BYTES, held
        )
    else:
        ends = data_at + np.cumsum(align(sizes[streamed]))
        places[streamed] = ends - align(sizes[streamed])
        length = int(ends[-1]) if len(ends) else data_at
        fetched = [at for at in streamed.tolist() if at not in held]
        reads = [read for at in fetched for read in spans.reads(at, int(places[at]), is_kept=False)]
    if len(streamed) < count:
        others = np.flatnonzero(kept != NOT_KEPT).tolist()
        reads += [read for at in others for read in spans.reads(at, int(places[at]), is_kept=True)]
        reads.sort(key=lambda read: read.positions[0])
    table["data_offset"], table["data_bytes"] = places, sizes
    table["status"] = np.where(kept == NOT_KEPT, ExtentStatus.DATA, ExtentStatus.KEPT)
    return Pack(
        first_index=first_index,
        keys=rows.keys[part],
        table=table,
        described=laid.data,
        length_bytes=length,
        wasted_bytes=wasted,
        kept_end=int((kept + sizes)[kept != NOT_KEPT].max(initial=0)),
        reads=reads,
        names=names,
        held=held,
        reads_of=lambda at: spans.reads(at, int(places[at]), is_kept=False),
    )


class _Spans:
    """The spans of a pack's extents, by the extents' positions in it."""

    def __init__(self, rows: ExtentRows, first: int, count: int) -> None:
        ends = rows.span_ends[first : first + count].tolist()
        start = int(rows.span_ends[first - 1]) if first else 0
        self._ends = [end - start for end in ends]
        self._starts = [0, *self._ends[:-1]]
        stop = start + (self._ends[-1] if count else 0)
        self.objects = rows.span_objects[start:stop]
        self._versions = rows.span_versions[start:stop]
        self._validators = rows.span_validators[start:stop]
        self._object_bytes = rows.span_object_bytes[start:stop].tolist()
        self.offsets = rows.span_offsets[start:stop].tolist()
        self.lengths = rows.span_lengths[start:stop].tolist()

    def names(self, positions: Sequence[int], cache: Cache) -> dict[int, Name]:
        """Return the names that extents have in a cache, of those that have one."""
        found = {}
        for position in positions:
            part = slice(self._starts[position], self._ends[position])
            spans = zip(self.objects[part], self._versions[part], self.offsets[part], self.lengths[part], strict=True)
            if (name := cache.name(spans)) is not None:
                found[position] = name
        return found

    def held(self, names: Mapping[int, Name], sizes: NDArray[np.int64], cache: Cache) -> dict[int, CachedPlace | None]:
        """Return where extents lie in a cache, of those that are there, or None of those that are on their way."""
        looked = ((position, name, cache.find(name, int(sizes[position]))) for position, name in names.items())
        return {position: place for position, name, place in looked if place is not None or name in cache.coming}

    def may_touch(self) -> bool:
        """Tell whether two extents lie in one object."""
        return len(set(self.objects)) < len(self.objects)

    def only(self, position: int) -> int | None:
        """Return the number of an extent's span if it has one alone, that one request is enough for."""
        at = self._starts[position]
        return at if self._ends[position] == at + 1 and 0 < self.lengths[at] <= MERGED_BYTES else None

    def info(self, at: int) -> ObjectInfo:
        """Return the object of a span."""
        return ObjectInfo(
            key=self.objects[at],
            size_bytes=self._object_bytes[at],
            version=self._versions[at],
            validator=self._validators[at],
        )

    def same_object(self, at: int, other: int) -> bool:
        """Tell whether two spans lie in one version of one object."""
        return self.objects[at] == self.objects[other] and self._versions[at] == self._versions[other]

    def reads(self, position: int, place: int, *, is_kept: bool) -> Iterator[Read]:
        """Return what is to be read of one extent."""
        for at in range(self._starts[position], self._ends[position]):
            length, info = self.lengths[at], self.info(at)
            step = RANGE_BYTES if length > SPLIT_ABOVE_BYTES else max(length, 1)
            for offset in range(0, length, step):
                size = min(step, length - offset)
                yield Read(info, self.offsets[at] + offset, size, place + offset, is_kept, (position,))
            place += length


@dataclass(slots=True)
class _Run:
    """Extents that one request reads: bytes ``start`` to ``end`` of an object, of which ``wanted`` are theirs."""

    at: int
    start: int
    end: int
    wanted: int
    members: list[tuple[int, int]]


def _place_near(
    spans: _Spans,
    sizes: NDArray[np.int64],
    streamed: list[int],
    places: NDArray[np.int64],
    data_at: int,
    room: int,
    held: Mapping[int, CachedPlace | None],
) -> tuple[list[Read], int, int]:
    """Place extents beside their neighbours in the object; give the reads, where they end, and what they waste."""
    alone = [position for position in streamed if position in held or spans.only(position) is None]
    near = [(each, at) for each in streamed if each not in held and (at := spans.only(each)) is not None]
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
        reads += spans.reads(position, data_at, is_kept=False) if position not in held else ()
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
