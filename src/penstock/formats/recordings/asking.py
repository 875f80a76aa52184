"""Parsers that ask for the bytes that they need, and what reads them for them.

A parser is a generator: it yields runs of bytes, (offset, length) each, and is sent them in the same order. So it knows
nothing of sources, and can be run over an object, over what is unpacked, or over bytes in memory.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Generator, Sequence
from typing import Final, Generic, TypeVar

from penstock.errors import DataError, TruncatedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB, format_bytes

__all__ = ["Asks", "Inflated", "ask", "from_bytes", "from_object"]

_MOST_TIMES: Final = 2
"""That an object's bytes are read to know what lies in it: parsers go on, and seldom back."""
_FIRST_BYTES: Final = 64 * KIB
_MOST_BYTES: Final = 4 * MIB
_AT_ONCE: Final = 16
_RECENT_BYTES: Final = 8 * KIB
"""Of what was unpacked that is kept."""

Result = TypeVar("Result")
Run = tuple[int, int]
Asks = Generator[Sequence[Run], Sequence[bytes], Result]


def ask(offset: int, length_bytes: int) -> Generator[Sequence[Run], Sequence[bytes], bytes]:
    """Ask for one run."""
    found = yield ((offset, length_bytes),)
    return found[0]


def from_bytes(parser: Asks[Result], data: bytes | memoryview, *, name: str) -> Result:
    """Run a parser over bytes.

    Raises:
        TruncatedObject: it asks for what lies behind them.
    """
    asking = _Asking(parser, len(data), name)
    runs = asking.send(None)
    while runs is not None:
        runs = asking.send([bytes(data[offset : offset + length]) for offset, length in runs])
    return asking.result


async def from_object(parser: Asks[Result], source: GetRange, info: ObjectInfo) -> Result:
    """Run a parser over an object; runs that follow on each other are read by ever larger blocks.

    Raises:
        TruncatedObject: it asks for what lies behind the object's end.
        DataError: it asks for the same again and again.
        SourceError: the object could not be read.
    """
    blocks = _Blocks(source, info)
    asking = _Asking(parser, info.size_bytes, info.key)
    runs = asking.send(None)
    while runs is not None:
        runs = asking.send([await blocks.read(*runs[0])] if len(runs) == 1 else await blocks.read_each(runs))
    return asking.result


class _Asking(Generic[Result]):
    """What a parser asks for of so many bytes, and what it found when it asks for no more."""

    result: Result

    def __init__(self, parser: Asks[Result], size_bytes: int, name: str) -> None:
        self._parser, self._size_bytes, self._name = parser, size_bytes, name

    def send(self, found: Sequence[bytes] | None) -> Sequence[Run] | None:
        """Hand over what it asked for, at first None, and return the runs that it asks for then; None when it is done.

        Raises:
            TruncatedObject: it asks for what lies behind the end.
        """
        try:
            runs = next(self._parser) if found is None else self._parser.send(found)
        except StopIteration as stop:
            self.result = stop.value
            return None
        for offset, length in runs:
            _check(offset, length, self._size_bytes, self._name)
        return runs


def _check(offset: int, length: int, size: int, name: str) -> None:
    if offset < 0 or length < 0 or offset + length > size:
        raise TruncatedObject(
            f"{name} has {size} bytes, {offset + length} are needed by its header",
            fix="the object was cut off: upload it again, or leave it out",
            about=name,
        )


class _Blocks:
    def __init__(self, source: GetRange, info: ObjectInfo) -> None:
        self._source, self._info = source, info
        self._offset, self._data = 0, b""
        self._spent, self._step = 0, _FIRST_BYTES
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def read(self, offset: int, length: int) -> bytes:
        at = offset - self._offset
        if at < 0 or at + length > len(self._data):
            end = self._offset + len(self._data)
            follows = self._offset <= offset <= end
            self._step = min(2 * self._step, _MOST_BYTES) if follows and self._data else _FIRST_BYTES
            kept = self._data[at:] if follows else b""
            first = end if follows else offset
            wanted = min(max(offset + length - first, self._step), self._info.size_bytes - first)
            self._offset, self._data = offset, kept + await self._fetch(first, wanted)
            at = 0
        return self._data[at : at + length]

    async def read_each(self, runs: Sequence[Run]) -> list[bytes]:
        async def one(run: Run) -> bytes:
            async with self._turns:
                return await self._fetch(*run)

        return list(await asyncio.gather(*(one(run) for run in runs)))

    async def _fetch(self, offset: int, length: int) -> bytes:
        self._spent += length
        if self._spent > _MOST_TIMES * self._info.size_bytes + _MOST_BYTES:
            raise DataError(
                f"what lies in {self._info.key} is told in no order: {format_bytes(self._spent)} would be read",
                fix="leave it out, or convert it to BDF",
                about=self._info.key,
            )
        return bytes(await self._source.get_range(self._info, offset, length)) if length else b""


class Inflated:
    """What a zlib stream unpacks to, read from front to back in bounded memory.

    Args:
        packed: the stream.
        most_bytes: that may be unpacked.
    """

    def __init__(self, packed: memoryview, *, most_bytes: int, name: str) -> None:
        self._packed, self._name, self._most = packed, name, most_bytes
        self._unpacker = zlib.decompressobj()
        self._at, self._given = 0, 0
        self._left = self._recent = b""

    def run(self, parser: Asks[Result]) -> Result:
        """Run a parser that goes back by a few KiB at most.

        Raises:
            DataError: the stream is damaged, ends too early, or is larger than it may be.
        """
        found: Sequence[bytes] | None = None
        while True:
            try:
                runs = next(parser) if found is None else parser.send(found)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            found = [self._read(*run) for run in runs]

    def _read(self, offset: int, length: int) -> bytes:
        back = self._given - offset
        if back > len(self._recent):
            raise self._wrong("its parts do not follow on each other")
        if offset + length > self._most:
            raise self._wrong(f"it unpacks to {format_bytes(offset + length)}, more than {format_bytes(self._most)}")
        while self._given < offset:
            self._take(min(offset - self._given, MIB))
        parts = [self._recent[len(self._recent) - back :][:length]] if back > 0 else []
        left = length - sum(map(len, parts))
        while left:
            parts.append(self._take(min(left, MIB)))
            left -= len(parts[-1])
        return b"".join(parts)

    def _take(self, most: int) -> bytes:
        try:
            data = self._unpacker.decompress(self._left or self._next(), most)
        except zlib.error as error:
            raise self._wrong(f"what is packed in it is damaged ({error})") from error
        self._left = self._unpacker.unconsumed_tail
        if not data and (self._unpacker.eof or (not self._left and self._at >= len(self._packed))):
            raise self._wrong("what is packed in it ends too early")
        self._given += len(data)
        self._recent = (self._recent + data)[-_RECENT_BYTES:]
        return data

    def _next(self) -> bytes:
        part = bytes(self._packed[self._at : self._at + 256 * KIB])
        self._at += len(part)
        return part

    def _wrong(self, what: str) -> DataError:
        return DataError(
            f"{self._name} cannot be read: {what}", fix="upload it again, or leave it out", about=self._name
        )
