"""How a TAR file is read: how many bytes at a time, and the next ones while the last are gone through."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import NamedTuple, Self

from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB

__all__ = ["SMALL_MEMBER_BYTES", "Blocks", "Pace"]

SMALL_MEMBER_BYTES, LARGE_MEMBER_BYTES = 128 * KIB, 1 * MIB
"""Mean of members up to which all of a file is read, since a request costs client and server what 200 KiB do; and up to
which it is where requests are found to take longer than the bytes."""
FAR_SECONDS = 0.005
"""What a request must take for it to be worth trying."""
WHOLE_READ_BYTES = 4 * MIB
AHEAD_READ_BYTES = WHOLE_READ_BYTES // 2
"""Of a block where the next one is on its way, since two are held together; the last may be half as large again."""
HEADERS_READ_BYTES = 8 * KIB
FIRST_READ_BYTES = 64 * KIB


class _Block(NamedTuple):
    """A block that is on its way."""

    start: int
    end: int
    reading: asyncio.Future[memoryview]


class Blocks:
    """Reads blocks of a file; an asynchronous context manager, which leaves no request under way."""

    def __init__(self, source: GetRange, info: ObjectInfo) -> None:
        self._source, self._info = source, info
        self._coming: _Block | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._give_up()

    async def read(
        self, offset: int, length: int, *, least: int, held: bytes = b"", ahead_bytes: int = 0
    ) -> tuple[int, memoryview]:
        """Return a block that holds ``least`` bytes from an offset, and where it begins.

        Args:
            length: of it, where it was not asked for before.
            held: what the last block had from the offset on.
            ahead_bytes: of the next block, which is asked for before this one is waited for; 0 asks for none.
        """
        block = self._coming
        if block is None or not (block.start <= offset + len(held) and offset + least <= block.end):
            await self._give_up()
            held, block = b"", self._ask(offset, offset + length, ahead_bytes)
        self._coming = (
            self._ask(block.end, block.end + ahead_bytes, ahead_bytes)
            if ahead_bytes and block.end < self._info.size_bytes
            else None
        )
        try:
            data = await block.reading
        finally:
            block.reading.cancel()  # where this is broken off
        return (offset, memoryview(b"".join((held, data)))) if held else (block.start, data)

    def _ask(self, start: int, end: int, step: int) -> _Block:
        """Ask for a block, which goes on to the file's end where little would be left of it."""
        size = self._info.size_bytes
        end = size if size - end <= step // 2 else end
        return _Block(start, end, asyncio.ensure_future(self._source.get_range(self._info, start, end - start)))

    async def _give_up(self) -> None:
        """Break off what was asked for and is not needed."""
        block, self._coming = self._coming, None
        if block is not None:
            block.reading.cancel()
            await asyncio.gather(block.reading, return_exceptions=True)


class Pace:
    """Chooses how many bytes to fetch at a time: headers alone or all, from how large members were, and how far away.

    Attributes:
        num_walked: members so far.
        seconds: that the last read took.
        ahead_bytes: to ask for behind what was chosen.
    """

    def __init__(self, *, reads_ahead: bool) -> None:
        self._reads_ahead = reads_ahead
        self.ahead_bytes = 0
        self.num_walked = 0
        self.seconds = 0.0
        self._length = self._walked_before = 0
        self._seconds_each: dict[int, float] = {}
        """What a member took, by the bytes that were read at a time."""

    def choose(self, begun: int) -> int:
        """Return how many bytes to fetch from here on, where all that was fetched is walked."""
        if self._length and self.num_walked > self._walked_before:
            self._seconds_each[self._length] = self.seconds / (self.num_walked - self._walked_before)
        self._walked_before = self.num_walked
        self._length = self._chosen(begun // self.num_walked if self.num_walked else 0)
        return self._length

    def _chosen(self, mean_bytes: int) -> int:
        self.ahead_bytes = 0
        if not self.num_walked:
            return FIRST_READ_BYTES
        if mean_bytes <= SMALL_MEMBER_BYTES:
            self.ahead_bytes = AHEAD_READ_BYTES if self._reads_ahead else 0
            return self.ahead_bytes or WHOLE_READ_BYTES
        by_header = self._seconds_each.get(HEADERS_READ_BYTES, 0.0)
        is_far = mean_bytes <= LARGE_MEMBER_BYTES and by_header > FAR_SECONDS
        by_block = self._seconds_each.get(WHOLE_READ_BYTES, 0.0)
        return WHOLE_READ_BYTES if is_far and by_block < by_header else HEADERS_READ_BYTES
