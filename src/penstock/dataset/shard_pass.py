"""Extents of a shard with their bytes, as they are found by one pass through its object."""

from __future__ import annotations

import asyncio
import threading
from bisect import insort
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import aclosing
from operator import itemgetter
from typing import Final, NamedTuple

from penstock.dataset.shard_ahead import Feed, Held
from penstock.errors import ProcessLost, SourceError
from penstock.formats.protocols import Found
from penstock.manifest import Extent, SkippedObject, Span
from penstock.ranges.here import Begun
from penstock.sources import ObjectInfo, ObjectSource
from penstock.units import MIB

__all__ = ["Pass", "Room"]

MOST_HELD_BYTES: Final = 4 * MIB
"""Of extents that wait to be taken, from which on no more are looked for."""
MOST_AT_ONCE: Final = 64
"""Extents that are taken together, where so many wait: each time asks the thread that reads."""
MOST_SEEN_BYTES: Final = 24 * MIB
"""Of what was read of the object last."""
READ_AHEAD: Final = 1
"""Reads of a pass that may be made before their turn however many others are under way."""
MOST_AHEAD_BYTES: Final = 4 * MIB
"""Of more of them, of all passes of a process together."""
LEAST_AHEAD_BYTES: Final = 1 * MIB
"""Of a read, from which on those that would follow it are made before their turn."""

_Found = tuple[Extent, list[memoryview]]


class Room:
    """How much may still be read before its turn; of one thread."""

    def __init__(self) -> None:
        self._left_bytes = MOST_AHEAD_BYTES

    def take(self, size_bytes: int) -> bool:
        """Take so much of it, where there is as much."""
        if size_bytes > self._left_bytes:
            return False
        self._left_bytes -= size_bytes
        return True

    def give(self, size_bytes: int) -> None:
        """Give back what was taken."""
        self._left_bytes += size_bytes


class Pass:
    """Gives the extents of an object while it is indexed, its bytes read once.

    Where they are found too late for that, as in what is packed, they are read by their ranges.

    Args:
        own: gives the thread and the source of this process.
        index: finds the extents, reading from what it is given.
        room: gives how much may be read before its turn, of this process.
        done: called with all extents when they were found, in the thread that reads.
        ended: called once, when all was asked for and an extent is taken; in either thread.
        again: gives the extents from one number on, where this can't.
        left_out: told of what of the object is in no extent, in the thread that reads.
    """

    def __init__(
        self,
        own: Callable[[], Begun],
        index: Callable[[Seen], AsyncIterator[Found]],
        info: ObjectInfo,
        *,
        room: Callable[[], Room],
        done: Callable[[list[Extent]], None],
        ended: Callable[[], None],
        again: Callable[[int], Feed],
        left_out: Callable[[SkippedObject], None],
    ) -> None:
        self._own, self._index, self._info, self._done, self._again = own, index, info, done, again
        self._room, self._left_out = room, left_out
        self._ended: Callable[[], None] | None = ended
        self._telling = threading.Lock()
        self._is_asked = self._is_taken = False
        self._begun: Begun | None = None
        self._running: Future[None] | None = None
        self._instead: Feed | None = None
        self._found: asyncio.Queue[_Found | Exception | None] = asyncio.Queue()
        self._last: list[Exception | None] = []
        """What ended it, where that was met behind the last extents."""
        self._was_taken = asyncio.Event()
        self._gives = True
        """Whether all that was found so far is given from what was read."""
        self._held_bytes = 0
        self._num_taken = 0

    def begin(self) -> None:
        """Begin the pass."""
        if self._running is None:
            self._begun = self._own()
            self._running = self._begun[0].submit(self._go_through(self._begun[1]))

    def take(self) -> Sequence[Held]:
        """Return the next extent; raises as a ``Feed`` does."""
        if self._instead is not None:
            return self._instead.take()
        was_begun_before = self._running is not None and not self._is_taken
        self.begin()
        self._is_taken = True
        self._tell()
        assert self._begun is not None
        if self._begun is not self._own():  # it was begun before this process was forked
            return self._take_again()
        try:
            found = self._begun[0].run(self._next())
        except (CancelledError, RuntimeError) as error:
            raise ProcessLost("the shard was closed meanwhile", fix="open it again") from error
        if isinstance(found, SourceError) and was_begun_before:  # it may have passed since
            return self._take_again()
        if isinstance(found, Exception):
            raise found
        if found is None:
            return () if self._gives else self._take_again()
        self._num_taken += len(found)
        return [(extent, 0, memoryview(b"".join(parts))) for extent, parts in found]

    def close(self) -> None:
        """End the pass."""
        if self._instead is not None:
            self._instead.close()
        if self._running is not None and self._begun is self._own():
            self._running.cancel()

    def _tell(self) -> None:
        if not (self._is_asked and self._is_taken):
            return
        with self._telling:
            ended, self._ended = self._ended, None
        if ended is not None:
            ended()

    def _take_again(self) -> Sequence[Held]:
        self._instead = self._again(self._num_taken)
        return self._instead.take()

    def _ask_no_more(self) -> None:
        self._is_asked = True
        self._tell()

    async def _next(self) -> list[_Found] | Exception | None:
        """Return what is found by now, or wait for more; what ends it comes by itself."""
        first = self._last.pop() if self._last else await self._found.get()
        if first is None:
            self._last = [None]
        if not isinstance(first, tuple):
            return first
        found = [first]
        while len(found) < MOST_AT_ONCE and not self._found.empty():
            each = self._found.get_nowait()
            if not isinstance(each, tuple):
                self._last = [each]
                break
            found.append(each)
        self._held_bytes -= sum(extent.size_bytes for extent, _ in found)
        self._was_taken.set()
        return found

    async def _go_through(self, source: ObjectSource) -> None:
        """Find all extents; whoever takes them is told of the end, however it comes."""
        ended: Exception | None = ProcessLost("the shard was closed meanwhile", fix="open it again")
        seen = Seen(source, self._info, room=self._room(), asked=self._ask_no_more)
        try:
            self._done(await self._find(seen))
            ended = None
            self._ask_no_more()  # of what is looked at in part alone
        except Exception as error:
            ended = error
        finally:
            self._found.put_nowait(ended)
            seen.close()

    async def _find(self, seen: Seen) -> list[Extent]:
        extents: list[Extent] = []
        async with aclosing(self._index(seen)) as each:  # type: ignore[type-var]
            async for found in each:
                if not isinstance(found, Extent):
                    self._left_out(found)
                    continue
                extents.append(found)
                parts = seen.parts_of(found.spans) if self._gives else None
                self._gives = parts is not None
                if parts is not None:
                    await self._put(found, parts)
        return extents

    async def _put(self, extent: Extent, parts: list[memoryview]) -> None:
        self._held_bytes += extent.size_bytes
        self._found.put_nowait((extent, parts))
        del parts
        while self._held_bytes >= MOST_HELD_BYTES:
            self._was_taken.clear()
            await self._was_taken.wait()


class Seen:
    """A source that one object is read from in order: reads are made before their turn, and the last ones kept.

    Args:
        room: for more reads than one that are made so.
        asked: called when all of the object was asked for.
    """

    def __init__(self, source: ObjectSource, info: ObjectInfo, *, room: Room, asked: Callable[[], None]) -> None:
        self._source, self._info, self._room, self._asked = source, info, room, asked
        self._ahead: deque[_Reading] = deque()
        self._seen: deque[tuple[int, memoryview]] = deque()
        self._end = 0
        """Offset behind what was asked for last."""

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Return bytes, as the source does."""
        if info is not self._info:
            return await self._source.get_range(info, offset, length_bytes)
        reads = self._reads_of(offset, offset + length_bytes)
        self._read_ahead(offset, length_bytes)
        try:
            parts = [await each for each in reads]
        except BaseException:
            for each in reads:
                each.cancel()
            raise
        data = parts[0] if len(parts) == 1 else memoryview(b"".join(parts))
        del reads, parts
        insort(self._seen, (offset, data), key=itemgetter(0))  # of reads that were asked for together any may end first
        while len(self._seen) > 1 and sum(len(each) for _, each in self._seen) > MOST_SEEN_BYTES:
            self._seen.popleft()
        return data

    def parts_of(self, spans: Sequence[Span]) -> list[memoryview] | None:
        """Return the bytes of spans that were read a moment ago; None where they are not kept.

        What ends before the first of them begins is forgotten; the next ones may lie between them.
        """
        parts: list[memoryview] = []
        for span in spans:
            found = self._part(span.offset, span.offset + span.length_bytes) if span.object == self._info.key else None
            if found is None:
                return None
            parts += found
        begin = spans[0].offset if spans else 0
        while self._seen and self._seen[0][0] + len(self._seen[0][1]) <= begin:
            self._seen.popleft()
        return parts

    def close(self) -> None:
        """Let go of what was read before its turn, and of what was read last."""
        self._cancel_ahead()
        self._seen.clear()

    def _reads_of(self, begin: int, end: int) -> list[asyncio.Task[memoryview]]:
        """Return reads that bring some bytes: those that were made before their turn, and one of what they lack."""
        reads = []
        while self._ahead and self._ahead[0].offset == begin and self._ahead[0].end <= end:
            begin = self._ahead[0].end
            reads.append(self._take_first())
        if begin < end:
            self._cancel_ahead()
            reads.append(self._read(begin, end - begin))
        return reads

    def _cancel_ahead(self) -> None:
        while self._ahead:
            self._take_first().cancel()

    def _read_ahead(self, offset: int, length_bytes: int) -> None:
        """Make reads like one before their turn, where none of the object was left out before it: it may be again."""
        goes_on, self._end = offset <= self._end, offset + length_bytes
        end = self._ahead[-1].end if self._ahead else self._end
        while goes_on and length_bytes >= LEAST_AHEAD_BYTES and end < self._info.size_bytes:
            length = min(length_bytes, self._info.size_bytes - end)
            is_more = len(self._ahead) >= READ_AHEAD
            if is_more and not self._room.take(length):
                return
            self._ahead.append(_Reading(end, length, self._read(end, length), length if is_more else 0))
            end += length
        if end >= self._info.size_bytes:
            self._asked()

    def _take_first(self) -> asyncio.Task[memoryview]:
        first = self._ahead.popleft()
        self._room.give(first.room_bytes)
        return first.task

    def _read(self, offset: int, length_bytes: int) -> asyncio.Task[memoryview]:
        return asyncio.ensure_future(self._source.get_range(self._info, offset, length_bytes))

    def _part(self, begin: int, end: int) -> list[memoryview] | None:
        found = []
        for offset, data in self._seen:
            if offset <= begin < offset + len(data):
                found.append(data[begin - offset : end - offset])
                begin = min(end, offset + len(data))
            if begin >= end:
                return found
        return None


class _Reading(NamedTuple):
    """A read that is made before its turn, and how much of the room for more it takes."""

    offset: int
    length_bytes: int
    task: asyncio.Task[memoryview]
    room_bytes: int

    @property
    def end(self) -> int:
        """Offset behind it."""
        return self.offset + self.length_bytes
