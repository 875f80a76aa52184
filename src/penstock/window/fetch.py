"""Fetching packs straight to their places, many ranges at a time.

Ranges wait in the order of the stream, and as many workers as pay take them one after the other. A worker lives for as
long as there is work; nothing is made per range but the request itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import msgspec

from penstock.errors import PenstockError
from penstock.sources import ReadInto
from penstock.window.cache import Cache
from penstock.window.caching import Caching
from penstock.window.concurrency import Throttle
from penstock.window.control import ErrorText
from penstock.window.dividing import Answers
from penstock.window.fills import Fill
from penstock.window.kept import KeptArea
from penstock.window.kept_parts import KeptParts
from penstock.window.layout import ExtentStatus, checksum
from penstock.window.packing import Pack, Read

__all__ = ["Fetcher", "Fill", "put_error", "put_skipped"]

NOTE_SECONDS = 0.02
"""How often it is counted that ranges are under way."""


class Fetcher:
    """Fetches packs.

    Args:
        source: of the bytes.
        kept: the part of the window where extents stay.
        max_in_flight: the most ranges at a time.
        read_meter: gives bytes received and tries refused so far.
        note_fetching: is told microseconds in which ranges were under way, 0 as they begin to be.
        on_broken: called when a worker met a fault of ours; ``check`` raises it.
        cache: where extents are read from and put to; None is none.

    Attributes:
        answers: how long ranges took that were had.
        read_bytes: their bytes.
    """

    def __init__(
        self,
        source: ReadInto,
        kept: KeptArea | KeptParts,
        *,
        max_in_flight: int,
        read_meter: Callable[[], tuple[int, int]],
        note_fetching: Callable[[int], None],
        on_broken: Callable[[], None],
        cache: Cache | None = None,
    ) -> None:
        self._caching = None if cache is None else Caching(cache, self._end_held, self._break)
        self._source = source
        self._kept = kept
        self._throttle = Throttle(max_in_flight, read_meter)
        self._note_fetching, self._noted_seconds = note_fetching, 0.0
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
            if not num_reads and position not in elsewhere and position not in fill.pack.held:
                self._place(fill, position)
        if self._caching is not None:
            fill.keep = self._caching.keep
            self._caching.read(fill)
        fill.settle()
        self._employ()

    def _end_held(self, fill: Fill, position: int, found: int | None) -> None:
        """Take an extent that was read from the cache, with its checksum; None has it fetched."""
        if found is not None:
            fill.checksums[position] = found
            fill.reused.add(position)
            fill.settle()
            return
        for read in fill.pack.reads_of(position):
            self._queue.append((fill, read))
            fill.reads_left[position] += 1
        if not fill.reads_left[position]:
            self._place(fill, position)
        self._employ()

    def _break(self, error: BaseException) -> None:
        self._broken = error
        self._on_broken()

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

    def keep_in(self, kept: KeptArea | KeptParts) -> None:
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
        if self._caching is not None:
            await self._caching.close()

    def _note(self, now: float) -> None:
        """Count the time since this was last done, in which ranges were under way."""
        self._note_fetching(round(1e6 * (now - self._noted_seconds)))
        self._noted_seconds = now

    def _employ(self) -> None:
        if not self._num_working:
            self._noted_seconds = time.monotonic()
            self._note_fetching(0)
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
                    if ended - self._noted_seconds >= NOTE_SECONDS:
                        self._note(ended)
                    self._end_read(fill, read, None)
                if throttle.measure(was_binding=bool(queue)):
                    self._employ()
        except Exception as error:
            self._break(error)
        finally:
            self._num_working -= 1
            if not self._num_working:
                self._note(time.monotonic())

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
