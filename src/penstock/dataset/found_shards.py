"""The shards of a dataset whose objects are found, and each indexed when it is opened: by a thread of this process.

The source is asked for its objects alone before the first row. What follows a shard that is read to its end is made
ready meanwhile: few shards, more of them the more are read one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, cast

from penstock.dataset.asking import end_asking
from penstock.dataset.shard_ahead import Ahead, Feed
from penstock.dataset.shard_pass import Pass, Room
from penstock.errors import ProcessLost
from penstock.formats.protocols import ByObject, Format, Store, by_object, reads_by
from penstock.lazy import imported
from penstock.manifest import Extent, SkippedObject
from penstock.ranges.here import Begun, Reads
from penstock.ranges.loop import LoopThread
from penstock.sources import open_source
from penstock.stream.left_out import warn_of_shard
from penstock.stream.options import Options
from penstock.stream.words import in_python

__all__ = ["FoundShards"]

MOST_EXTENTS_KEPT: Final = 1 << 14
"""Of shards that were indexed, beside those of the last one."""
MOST_READY: Final = 4
MOST_READY_BYTES: Final = 8 << 20
"""Of the first extent of a shard that is made ready."""
MOST_PASSED_BYTES: Final = 24 << 20
"""Of shards that are made ready together, where one is read whole to be indexed; one is, however large."""


@dataclass(kw_only=True, slots=True)
class _Own:
    """What is of one process alone.

    Attributes:
        begun: the thread that reads, and the source.
        indexing: shards that are being indexed.
        wanted: shards that are made ready, and were not opened yet; those of ``ready`` are among them.
        ready: what gives such shards.
        room: for what passes read before its turn.
    """

    begun: Begun
    room: Room = field(default_factory=Room)
    lock: threading.RLock = field(default_factory=threading.RLock)
    indexing: dict[str, Future[list[Extent]]] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    ready: dict[str, Feed] = field(default_factory=dict)
    kept: OrderedDict[str, list[Extent]] = field(default_factory=OrderedDict)


class FoundShards:
    """Shards that are objects.

    Args:
        begun: the thread that reads, and the source; ended by ``close``, and where this fails.
        ready: done when the source can be listed.
        options: that ``may_find`` takes.
        kind: of the objects.

    Raises:
        PenstockError: the source could not be listed.
    """

    def __init__(self, begun: Begun, ready: Future[None], options: Options, kind: Format) -> None:
        self._kind = kind
        self._reads: ByObject | None = by_object(kind)
        self._owns = {os.getpid(): _Own(begun=begun)}
        loop, source = begun
        try:
            listing = imported("penstock.dataset.finding")
            running = loop.submit(listing.find_shards(source, options, kind))
            imported("penstock.dataset.shard_rows")
            wait({ready})
            loop.give_way()  # what follows may hold the interpreter for longer than an answer takes
            for module in reads_by(kind):
                imported(module)
            self._infos = {info.key: info for info in running.result()}
        except BaseException:
            end_asking(*begun)
            raise
        self.spec = source.spec
        self.names = tuple(self._infos)
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._ranges = Reads(lambda: self._own().begun)
        self._last, self._in_a_row = -2, 0
        self._warned: set[str] = set()

    @property
    def uri(self) -> str:
        """Of the source."""
        return self.spec.uri

    def __contains__(self, name: object) -> bool:
        return name in self._infos

    def num_rows(self, name: str) -> int:
        """Return how many rows a shard has."""
        return sum(extent.num_samples for extent in self._index(name))

    def extents(self, name: str) -> Iterator[Extent]:
        """Return its extents."""
        return iter(self._index(name))

    def feed(self, name: str, row: int, *, one: bool = False) -> Feed:
        """Return what gives its extents from the one on that holds a row."""
        if one and (self._reads == "little" or self._kept(self._own(), name) is not None):
            return Ahead(self._ranges, self._from_row(name, row, None), first_ahead=0)
        own = self._own()
        with own.lock:
            own.wanted.discard(name)
            ready = own.ready.pop(name, None)
            is_kept = name in own.kept
        if row:
            if ready is not None:
                ready.close()
            return self._ahead(name, row)
        if ready is not None:
            return ready
        return self._ahead(name, 0) if is_kept or self._reads == "little" else self._pass(name)

    def note_error(self, error: BaseException) -> None:
        """Nothing is kept that an error could tell of."""

    def close(self) -> None:
        """End the thread that reads."""
        own = self._own()
        with own.lock:
            ready = list(own.ready.values())
            own.ready.clear()
            own.wanted.clear()
        for feed in ready:
            feed.close()
        end_asking(*own.begun)

    def _own(self) -> _Own:
        pid = os.getpid()
        own = self._owns.get(pid)
        if own is None:  # it was forked: threads and connections are the other process's
            own = self._owns.setdefault(pid, _Own(begun=(LoopThread(), open_source(self.spec))))
        return own

    def _ahead(self, name: str, row: int, known: Sequence[Extent] | None = None) -> Ahead:
        return Ahead(self._ranges, self._from_row(name, row, known), lambda: self._ended(name))

    def _pass(self, name: str) -> Pass:
        info = self._infos[name]
        return Pass(
            lambda: self._own().begun,
            lambda seen: self._kind.index(cast("Store", seen), info),  # it reads that object alone
            info,
            room=lambda: self._own().room,
            done=lambda extents: self._keep(self._own(), name, extents),
            ended=lambda: self._ended(name),
            again=lambda number: Ahead(self._ranges, ((each, 0) for each in self._index(name)[number:])),
            left_out=self._warn_of,
        )

    def _from_row(self, name: str, row: int, known: Sequence[Extent] | None) -> Iterator[tuple[Extent, int]]:
        for extent in self._index(name) if known is None else known:
            if row < extent.num_samples:
                yield extent, row
            row = max(0, row - extent.num_samples)

    def _index(self, name: str) -> list[Extent]:
        """Return the extents of a shard, known or found."""
        own = self._own()
        found = self._kept(own, name)
        if found is not None:
            return found
        with in_python():
            try:
                return self._indexing(own, name).result()
            except CancelledError as error:
                raise ProcessLost("the shards were closed meanwhile", fix="open the shard again") from error

    def _indexing(self, own: _Own, name: str) -> Future[list[Extent]]:
        """Begin to index a shard, or to wait for it where that goes on."""
        with own.lock:
            found = own.indexing.get(name)
            if found is None:
                found = own.indexing[name] = own.begun[0].submit(self._find(own, name))
                found.add_done_callback(lambda done: own.indexing.pop(name, None))
            return found

    async def _find(self, own: _Own, name: str) -> list[Extent]:
        kept = self._kept(own, name)
        if kept is None:
            kept = []
            async for each in self._kind.index(own.begun[1], self._infos[name]):
                if isinstance(each, Extent):
                    kept.append(each)
                else:
                    self._warn_of(each)
            self._keep(own, name, kept)
        return kept

    def _warn_of(self, skipped: SkippedObject) -> None:
        """Say what of a shard is left out, once of each reason."""
        if skipped.reason not in self._warned:
            self._warned.add(skipped.reason)
            warn_of_shard(skipped)

    def _kept(self, own: _Own, name: str) -> list[Extent] | None:
        with own.lock:
            if name in own.kept:
                own.kept.move_to_end(name)
            return own.kept.get(name)

    def _keep(self, own: _Own, name: str, extents: list[Extent]) -> None:
        with own.lock:
            own.kept[name] = extents
            own.kept.move_to_end(name)
            count = sum(map(len, own.kept.values()))
            while len(own.kept) > 1 and count > MOST_EXTENTS_KEPT:
                count -= len(own.kept.popitem(last=False)[1])

    def _ended(self, name: str) -> None:
        """Make those ready that follow a shard of which the last was asked for, where it followed another itself."""
        own, number = self._own(), self._numbers[name]
        with own.lock:
            self._in_a_row = min(MOST_READY, 2 * self._in_a_row) if number == self._last + 1 else 1
            self._last = number
            wanted = self._following(number, 0 if self._in_a_row == 1 else self._in_a_row)
            for each in own.ready.keys() - set(wanted):
                own.ready.pop(each).close()
            new = [each for each in wanted if each not in own.wanted]
            own.wanted = set(wanted)
        loop, source = own.begun
        behind = self.names[number + 1 + len(wanted) : number + 2 + len(wanted)] if wanted else ()
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            if new:
                loop.submit(self._make_ready(own, new))
            for each in behind:
                loop.submit(source.find_way(each))

    def _following(self, number: int, most: int) -> tuple[str, ...]:
        """Return shards that follow one, to be made ready; fewer where they would have too many bytes."""
        names = self.names[number + 1 : number + 1 + most]
        if self._reads == "little":
            return names
        ends = accumulate(self._infos[name].size_bytes for name in names)
        return tuple(name for name, end in zip(names, ends, strict=True) if end <= MOST_PASSED_BYTES) or names[:1]

    async def _make_ready(self, own: _Own, names: Sequence[str]) -> None:
        """Begin to read shards; an error is met again by who opens them."""
        await asyncio.gather(*(self._begin(own, name) for name in names), return_exceptions=True)

    async def _begin(self, own: _Own, name: str) -> None:
        known = self._kept(own, name)
        if known is None and self._reads == "little":
            known = await asyncio.wrap_future(self._indexing(own, name))
        if known and known[0].size_bytes > MOST_READY_BYTES:
            return
        feed = self._pass(name) if known is None else self._ahead(name, 0, known)
        with own.lock:
            if name in own.wanted:
                own.ready[name] = feed
                feed.begin()
