"""Fetching packs straight to their places, many ranges at a time.

Ranges wait in the order of the stream, and as many workers as pay take them one after the other. A worker lives for as
long as there is work; nothing is made per range but the request itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np

from penstock.errors import PenstockError
from penstock.sources import ReadInto
from penstock.window.concurrency import Throttle
from penstock.window.control import ErrorText
from penstock.window.dividing import Answers
from penstock.window.kept import KeptArea
from penstock.window.layout import ExtentStatus, checksum
from penstock.window.packing import Pack, Read

__all__ = ["Fetcher", "Fill", "put_error", "put_skipped"]


@dataclass(kw_only=True, slots=True)
class Fill:
    """A pack on its way into a slot.

    Attributes:
        slot: its bytes.
        on_done: called once, when nothing writes into the slot any more.
        may_skip: whether errors that are an extent's own leave the others be.
        errors: of extents that could not be had, by their position.
        checksums: of extents that are in their place, by their position.
        places: offset, bytes and status of each extent.
        reads_left: ranges of each extent that have not ended.
        extents_left: extents that are neither in their place nor failed.
        reused: positions of kept extents for which nothing was requested.
    """

    pack: Pack
    slot: memoryview
    on_done: Callable[[Fill], None]
    may_skip: bool = False
    errors: dict[int, PenstockError] = field(default_factory=dict)
    checksums: list[int] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)
    reads_left: list[int] = field(default_factory=list)
    extents_left: int = 0
    reused: set[int] = field(default_factory=set)

    @property
    def failed_at(self) -> int | None:
        """Position of the first extent whose error ends the stream."""
        if not self.errors:
            return None
        ends = (at for at, error in self.errors.items() if not (self.may_skip and error.skippable))
        return min(ends, default=None)

    def settle(self) -> None:
        """Note that an extent is in its place, or failed."""
        self.extents_left -= 1
        if not self.extents_left:
            self.pack.table["checksum"] = np.array(self.checksums, np.uint64)
            self.on_done(self)


class Fetcher:
    """Fetches packs.

    Args:
        source: of the bytes.
        kept: the part of the window where extents stay.
        max_in_flight: the most ranges at a time.
        read_meter: gives bytes received and requests failed so far.
        on_broken: called when a worker met a fault of ours; ``check`` raises it.

    Attributes:
        answers: how long ranges took that were had.
        read_bytes: their bytes.
    """

    def __init__(
        self,
        source: ReadInto,
        kept: KeptArea,
        *,
        max_in_flight: int,
        read_meter: Callable[[], tuple[int, int]],
        on_broken: Callable[[], None],
    ) -> None:
        self._source = source
        self._kept = kept
        self._throttle = Throttle(max_in_flight, read_meter)
        self._on_broken = on_broken
        self._queue: deque[tuple[Fill, Read]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._num_working = 0
        self._waiting: dict[int, list[tuple[Fill, int]]] = {}
        self._broken: BaseException | None = None
        self.answers = Answers()
        self.read_bytes = 0

    def begin(self, fill: Fill) -> None:
        """Fetch a pack's extents; those that are kept go to their place in the kept part, or are there already."""
        table = fill.pack.table
        fill.places = list(
            zip(*(table[name].tolist() for name in ("data_offset", "data_bytes", "status")), strict=True)
        )
        fill.checksums, fill.reads_left = [0] * len(table), [0] * len(table)
        # One more until all is begun: extents that are there already must not end it before.
        fill.extents_left = len(table) + 1
        fill.reused = elsewhere = {
            position
            for position, (offset, _, status) in enumerate(fill.places)
            if status == ExtentStatus.KEPT and self._comes_by_itself(fill, position, offset)
        }
        for read in fill.pack.reads:
            if not elsewhere or read.positions[0] not in elsewhere:
                self._queue.append((fill, read))
                for position in read.positions:
                    fill.reads_left[position] += 1
        for position, num_reads in enumerate(fill.reads_left):
            if not num_reads and position not in elsewhere:
                self._place(fill, position)
        fill.settle()
        self._employ()

    def _comes_by_itself(self, fill: Fill, position: int, offset: int) -> bool:
        """Tell whether a kept extent is in its place already, or on its way there."""
        found = self._kept.found(offset)
        if found is not None:
            fill.checksums[position] = found
            fill.settle()
            return True
        if offset in self._waiting:
            self._waiting[offset].append((fill, position))
            return True
        self._waiting[offset] = []
        return False

    def keep_in(self, kept: KeptArea) -> None:
        """Keep extents in another part; the last one held none."""
        self._kept = kept

    @property
    def in_flight_bytes(self) -> float:
        """Bytes of as many ranges as are in flight at a time."""
        return self.limit * self.read_bytes / max(1, self.answers.num_reads)

    @property
    def limit(self) -> int:
        """The most ranges that are in flight now."""
        return self._throttle.limit

    def check(self) -> None:
        """Raise what a worker met."""
        if self._broken is not None:
            raise self._broken

    async def close(self) -> None:
        """Stop; nothing is written to any slot any more."""
        self._queue.clear()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def _employ(self) -> None:
        for _ in range(min(self._throttle.limit - self._num_working, len(self._queue))):
            self._num_working += 1
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        queue, read_into, throttle = self._queue, self._source.read_into, self._throttle
        try:
            while queue and self._num_working <= throttle.limit:
                fill, read = queue.popleft()
                if (in_vain := _ended_before(fill, read)) is not None:
                    self._end_read(fill, read, in_vain)
                    continue
                begun, number = time.monotonic(), self.answers.begin()
                try:
                    lies = self._kept.mapped if read.is_kept else fill.slot
                    await read_into(read.info, read.offset, lies[read.place : read.place + read.length_bytes])
                except PenstockError as error:
                    self._end_read(fill, read, error)
                else:
                    ended = time.monotonic()
                    self.answers.end(number, ended - begun, ended)
                    self.read_bytes += read.length_bytes
                    self._end_read(fill, read, None)
                if throttle.measure(was_binding=bool(queue)):
                    self._employ()
        except Exception as error:
            self._broken = error
            self._on_broken()
        finally:
            self._num_working -= 1

    def _end_read(self, fill: Fill, read: Read, error: PenstockError | None) -> None:
        for position in read.positions:
            if error is not None:
                fill.errors.setdefault(position, error)
            fill.reads_left[position] -= 1
            if not fill.reads_left[position]:
                self._place(fill, position)

    def _place(self, fill: Fill, position: int) -> None:
        """Go on with an extent all of whose ranges have ended."""
        offset, size, status = fill.places[position]
        error = fill.errors.get(position)
        if status == ExtentStatus.KEPT:
            self._place_kept(fill, position, offset, size, error)
            return
        if error is None:
            fill.checksums[position] = checksum(fill.slot[offset : offset + size])
        fill.settle()

    def _place_kept(self, fill: Fill, position: int, offset: int, size: int, error: PenstockError | None) -> None:
        found = 0
        if error is None:
            found = checksum(self._kept.mapped[offset : offset + size])
            self._kept.complete(offset, found)
        for other, place in [(fill, position), *self._waiting.pop(offset)]:
            if error is None:
                other.checksums[place] = found
            else:
                other.errors.setdefault(place, error)
            other.settle()


def _ended_before(fill: Fill, read: Read) -> PenstockError | None:
    """Return the error that ends the stream before a read's extents, which nobody will see then."""
    failed_at = fill.failed_at
    return None if failed_at is None or read.positions[0] <= failed_at else fill.errors[failed_at]


def put_error(pack: Pack, position: int, error: PenstockError, slot: memoryview) -> None:
    """Put an error in the place of an extent's bytes."""
    data, offset = _encode(error), pack.length_bytes
    if len(data) > len(slot) - offset:
        data = msgspec.msgpack.encode(ErrorText(type(error).__name__, error.what[:90], error.fix[:90], None))
    _put_text(pack, position, data, slot, offset, ExtentStatus.ERROR)


def put_skipped(fill: Fill) -> None:
    """Put the errors of extents that are left out in the place of their bytes, the first ones where room is short."""
    pack, end = fill.pack, fill.failed_at
    offset = pack.length_bytes if end is None else int(pack.table[end]["data_offset"] + pack.table[end]["data_bytes"])
    for position, error in sorted(fill.errors.items()):
        if end is not None and position >= end:
            return
        data = _encode(error)
        if len(data) > len(fill.slot) - offset:
            data = b""
        _put_text(pack, position, data, fill.slot, offset, ExtentStatus.SKIPPED)
        offset += len(data)


def _encode(error: PenstockError) -> bytes:
    return msgspec.msgpack.encode(ErrorText(type(error).__name__, error.what, error.fix, error.about))


def _put_text(pack: Pack, position: int, data: bytes, slot: memoryview, offset: int, status: ExtentStatus) -> None:
    entry = pack.table[position]
    slot[offset : offset + len(data)] = data
    entry["data_offset"], entry["data_bytes"] = offset, len(data)
    entry["checksum"], entry["status"] = checksum(data), status
