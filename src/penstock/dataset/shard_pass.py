"""Extents of a shard with their bytes, as they are found by one pass through its object."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import aclosing
from typing import Final

from penstock.dataset.shard_ahead import Feed, Held
from penstock.errors import ProcessLost
from penstock.formats.protocols import Found
from penstock.manifest import Extent, Span
from penstock.ranges.here import Begun
from penstock.sources import ObjectInfo, ObjectSource
from penstock.units import MIB

__all__ = ["Pass"]

MOST_HELD_BYTES: Final = 4 * MIB
"""Of extents that wait to be taken, but for one of them."""
MOST_SEEN_BYTES: Final = 24 * MIB
"""Of what was read of the object last."""
READ_AHEAD: Final = 1
LEAST_AHEAD_BYTES: Final = 1 * MIB
"""Of a read, from which on those that would follow it are made before their turn."""


class Pass:
    """Gives the extents of an object while it is indexed, its bytes read once.

    Where they are found too late for that, as in what is packed, they are read by their ranges.

    Args:
        own: gives the thread and the source of this process.
        index: finds the extents, reading from what it is given.
        done: called with all extents when they were found, in the thread that reads.
        ended: called once, when all were found and one is taken; in either thread.
        again: gives the extents from one number on, where this can't.
    """

    def __init__(
        self,
        own: Callable[[], Begun],
        index: Callable[[Seen], AsyncIterator[Found]],
        info: ObjectInfo,
        *,
        done: Callable[[list[Extent]], None],
        ended: Callable[[], None],
        again: Callable[[int], Feed],
    ) -> None:
        self._own, self._index, self._info, self._done, self._again = own, index, info, done, again
        self._ended: Callable[[], None] | None = ended
        self._is_done = self._is_taken = False
        self._begun: Begun | None = None
        self._running: Future[None] | None = None
        self._instead: Feed | None = None
        self._found: asyncio.Queue[Held | Exception | None] = asyncio.Queue()
        self._room = asyncio.Event()
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
        if isinstance(found, Exception):
            raise found
        if found is None:
            return self._take_again()
        self._num_taken += 1
        return [found]

    def close(self) -> None:
        """End the pass."""
        if self._instead is not None:
            self._instead.close()
        if self._running is not None and self._begun is self._own():
            self._running.cancel()

    def _tell(self) -> None:
        if self._is_done and self._is_taken and self._ended is not None:
            ended, self._ended = self._ended, None
            ended()

    def _take_again(self) -> Sequence[Held]:
        self._instead = self._again(self._num_taken)
        return self._instead.take()

    async def _next(self) -> Held | Exception | None:
        found = await self._found.get()
        if isinstance(found, tuple):
            self._held_bytes -= len(found[2])
            self._room.set()
        return found

    async def _go_through(self, source: ObjectSource) -> None:
        """Find all extents; whoever takes them is told of the end, however it comes."""
        ended: Exception | None = ProcessLost("the shard was closed meanwhile", fix="open it again")
        seen = Seen(source, self._info)
        try:
            self._done(await self._find(seen))
            self._is_done, ended = True, None
            self._tell()
        except Exception as error:
            ended = error
        finally:
            self._found.put_nowait(ended)
            seen.close()

    async def _find(self, seen: Seen) -> list[Extent]:
        extents: list[Extent] = []
        gives = True
        async with aclosing(self._index(seen)) as each:  # type: ignore[type-var]
            async for found in each:
                if not isinstance(found, Extent):
                    continue
                extents.append(found)
                data = seen.bytes_of(found.spans) if gives else None
                gives = data is not None
                if data is not None:
                    await self._put((found, 0, data))
        return extents

    async def _put(self, found: Held) -> None:
        while self._held_bytes and self._held_bytes + len(found[2]) > MOST_HELD_BYTES:
            self._room.clear()
            await self._room.wait()
        self._held_bytes += len(found[2])
        self._found.put_nowait(found)


class Seen:
    """A source that one object is read from in order: reads are made before their turn, and the last ones kept."""

    def __init__(self, source: ObjectSource, info: ObjectInfo) -> None:
        self._source, self._info = source, info
        self._ahead: deque[tuple[int, int, asyncio.Task[memoryview]]] = deque()
        self._seen: deque[tuple[int, memoryview]] = deque()

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Return bytes, as the source does."""
        if info is not self._info:
            return await self._source.get_range(info, offset, length_bytes)
        while self._ahead and self._ahead[0][:2] != (offset, length_bytes):
            self._ahead.popleft()[2].cancel()
        own = self._ahead.popleft()[2] if self._ahead else self._read(offset, length_bytes)
        end = self._ahead[-1][0] + self._ahead[-1][1] if self._ahead else offset + length_bytes
        while length_bytes >= LEAST_AHEAD_BYTES and len(self._ahead) < READ_AHEAD and end < info.size_bytes:
            length = min(length_bytes, info.size_bytes - end)
            self._ahead.append((end, length, self._read(end, length)))
            end += length
        try:
            data = await own
        except BaseException:
            own.cancel()
            raise
        self._seen.append((offset, data))
        while len(self._seen) > 1 and sum(len(each) for _, each in self._seen) > MOST_SEEN_BYTES:
            self._seen.popleft()
        return data

    def bytes_of(self, spans: Sequence[Span]) -> memoryview | None:
        """Return the bytes of spans that were read a moment ago, joined; None where they are not kept.

        What lies before them is forgotten.
        """
        parts: list[memoryview] = []
        for span in spans:
            found = self._part(span.offset, span.offset + span.length_bytes) if span.object == self._info.key else None
            if found is None:
                return None
            parts += found
        while spans and self._seen and sum_of(self._seen[0]) <= spans[-1].offset:
            self._seen.popleft()
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))

    def close(self) -> None:
        """Let go of what was read before its turn."""
        for _, _, reading in self._ahead:
            reading.cancel()
        self._ahead.clear()
        self._seen.clear()

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


def sum_of(seen: tuple[int, memoryview]) -> int:
    """Return where what was read ends."""
    return seen[0] + len(seen[1])
