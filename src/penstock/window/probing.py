"""Measuring a link by reading over it for a while, as a window is filled: many ranges at once, as many as pay."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from penstock.errors import SourceError
from penstock.sources import ObjectInfo, ObjectSource
from penstock.window.concurrency import Throttle
from penstock.window.packing import RANGE_BYTES, SPLIT_ABOVE_BYTES

__all__ = ["Range", "Speed", "probe_link", "ranges_of"]

MOST_MEMORY_BYTES = 512 * 2**20
MOST_IN_FLIGHT = 512
SETTLING_SHARE = 0.2
"""Of the time, in which connections are made and the number of requests rises: it says nothing of the rate."""
PINGS = 4

Range = tuple[ObjectInfo, int, int]
"""An object, and the first byte and the length of what is read of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Speed:
    """What a link does.

    Attributes:
        latency_seconds: until a request for one byte is answered, with nothing beside it.
        seconds: that were measured, of the rate.
        is_whole: whether all that there is was read, sooner than the time that was given.
    """

    bytes_per_second: float
    latency_seconds: float
    seconds: float
    is_whole: bool


def ranges_of(info: ObjectInfo, offset: int, length_bytes: int) -> Iterator[Range]:
    """Give the ranges that a run of bytes is fetched by."""
    step = RANGE_BYTES if length_bytes > SPLIT_ABOVE_BYTES else max(length_bytes, 1)
    for first in range(offset, offset + length_bytes, step):
        yield info, first, min(step, offset + length_bytes - first)


async def probe_link(source: ObjectSource, ranges: Iterator[Range], *, seconds: float, most_bytes: int) -> Speed:
    """Read ranges for some seconds, or until so many bytes were asked for; what is read is thrown away.

    Raises:
        SourceError: nothing could be read.
    """
    first = next(ranges, None)
    if first is None:
        raise SourceError("there is nothing to read", fix="check the URI")
    latency = await _latency(source, first)
    probe = _Probe(source, ranges, first, most_bytes=most_bytes, seconds=seconds)
    return await probe.run(latency)


async def _latency(source: ObjectSource, first: Range) -> float:
    """Return how long a request for one byte takes on a connection that is there."""
    taken = []
    for _ in range(PINGS):
        began = time.monotonic()
        await source.get_range(first[0], first[1], 1)
        taken.append(time.monotonic() - began)
    return statistics.median(taken[1:])


class _Probe:
    def __init__(
        self, source: ObjectSource, ranges: Iterator[Range], first: Range, *, most_bytes: int, seconds: float
    ) -> None:
        self._source, self._ranges, self._next = source, ranges, first
        self._left, self._seconds = most_bytes, seconds
        self._is_more = True
        highest = max(1, min(MOST_IN_FLIGHT, MOST_MEMORY_BYTES // max(first[2], RANGE_BYTES // 8)))
        meter = source.meter
        self._throttle = Throttle(highest, lambda: (meter.bytes_downloaded, meter.busy_answers))
        self._workers: set[asyncio.Task[None]] = set()

    async def run(self, latency: float) -> Speed:
        """Read until the time is over; bytes count as they come, whole ranges or not."""
        meter, began = self._source.meter, time.monotonic()
        start, settled = meter.bytes_downloaded, self._seconds * SETTLING_SHARE
        try:
            self._employ()
            await self._wait(settled)
            middle, at = meter.bytes_downloaded, time.monotonic()
            if self._workers:
                await self._wait(self._seconds - settled)
            end, ended, is_whole = meter.bytes_downloaded, time.monotonic(), not self._workers
        finally:
            await self._stop()
        if is_whole or end == middle:  # all of it counts: less would be but the tail
            middle, at = start, began
        if end == middle:
            raise SourceError(
                f"nothing arrived in {self._seconds:g} s", fix="probe for longer, or look at the link to the source"
            )
        taken = max(ended - at, 1e-6)
        return Speed(bytes_per_second=(end - middle) / taken, latency_seconds=latency, seconds=taken, is_whole=is_whole)

    async def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._workers and (left := until - time.monotonic()) > 0:
            await asyncio.wait(self._workers, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for done in [each for each in self._workers if each.done()]:
                self._workers.discard(done)
                done.result()

    def _employ(self) -> None:
        while self._is_more and len(self._workers) < self._throttle.limit:
            self._workers.add(asyncio.create_task(self._work()))

    def _take(self) -> Range | None:
        """Return the next range, None where there is no more, or no more may be read."""
        if not self._is_more or self._left <= 0:
            self._is_more = False
            return None
        taken = self._next
        self._left -= taken[2]
        following = next(self._ranges, None)
        if following is None:
            self._is_more = False
        else:
            self._next = following
        return taken

    async def _work(self) -> None:
        while len(self._workers) <= self._throttle.limit and (taken := self._take()) is not None:
            info, offset, length = taken
            await self._source.read_into(info, offset, np.empty(length, np.uint8).data)
            if self._throttle.measure(was_binding=self._is_more):
                self._employ()

    async def _stop(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
