"""Objects are indexed many at a time, in their order, and what takes memory a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from penstock.errors import HeaderMismatch
from penstock.formats.protocols import Found
from penstock.manifest import Extent, SkippedObject
from penstock.sources import GetRange, ObjectInfo, ObjectSource
from penstock.tasks.indexing import LARGE_AT_ONCE, LARGE_READ_BYTES, OBJECTS_AT_ONCE, indexed
from penstock.tasks.protocols import Limits


class Slow:
    """A source whose reads take two turns of the event loop; it knows the most that were under way at a time."""

    def __init__(self) -> None:
        self.under_way = self.most = self.num_reads = 0

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        self.under_way += 1
        self.num_reads += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.under_way -= 1
        return memoryview(b"x")


@dataclass
class Reads:
    """A format whose objects are read some times, and hold some extents."""

    lengths: tuple[int, ...]
    num_extents: int = 1
    broken: str = ""

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        for length in self.lengths:
            await source.get_range(info, 0, length)
        if info.key == self.broken:
            raise HeaderMismatch("broken", fix="", about=info.key)
        for number in range(self.num_extents):
            yield Extent(key=f"{info.key}/{number:06}", group="", spans=(info.span(0, 1),))


def run(kind: Reads, count: int, *, skip_bad: bool = False) -> tuple[list[str], Slow, list[SkippedObject]]:
    source, skipped = Slow(), list[SkippedObject]()

    async def objects() -> AsyncIterator[ObjectInfo]:
        for number in range(count):
            yield ObjectInfo(key=f"{number:04}", size_bytes=9, version="v")

    async def walk() -> list[str]:
        found = indexed(objects(), cast(Any, kind), cast(ObjectSource, source), Limits(skip_bad=skip_bad), skipped)
        async with asyncio.timeout(60):
            return [extent.key async for extent in found]

    return asyncio.run(walk()), source, skipped


def test_small_reads_are_made_for_many_objects_at_a_time() -> None:
    keys, source, _ = run(Reads((100, 100)), 300)
    assert keys == sorted(keys)
    assert len(keys) == 300
    assert OBJECTS_AT_ONCE[0] < source.most <= OBJECTS_AT_ONCE[1]


@pytest.mark.parametrize("lengths", [(LARGE_READ_BYTES,) * 4, (100, LARGE_READ_BYTES), (100, LARGE_READ_BYTES, 100)])
def test_large_reads_are_made_for_few_objects_at_a_time(lengths: tuple[int, ...]) -> None:
    keys, source, _ = run(Reads(lengths), 200)
    assert keys == sorted(keys)
    assert source.num_reads == 200 * len(lengths)
    if len(set(lengths)) == 1:
        assert source.most <= LARGE_AT_ONCE


class ReadsTogether(Reads):
    """Likewise, whose reads of an object are all asked for at once."""

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        await asyncio.gather(*(source.get_range(info, 0, length) for length in self.lengths))
        async for found in super().index(source, info):
            yield found


def test_large_reads_of_an_object_that_are_asked_for_together_take_one_turn() -> None:
    keys, source, _ = run(ReadsTogether((LARGE_READ_BYTES,) * 2), 60)
    assert len(keys) == 60
    assert source.most <= 2 * LARGE_AT_ONCE


def test_objects_of_many_extents_are_few_at_a_time() -> None:
    keys, source, _ = run(Reads((100,), num_extents=5_000), 60)
    assert len(keys) == 300_000
    assert source.most <= OBJECTS_AT_ONCE[0]


def test_a_turn_is_given_back_where_an_object_is_broken() -> None:
    keys, _, skipped = run(Reads((LARGE_READ_BYTES,), broken="0003"), 100, skip_bad=True)
    assert len(keys) == 99
    assert [item.object for item in skipped] == ["0003"]
    with pytest.raises(HeaderMismatch):
        run(Reads((LARGE_READ_BYTES,), broken="0003"), 100)
