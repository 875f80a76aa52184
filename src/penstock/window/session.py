"""One session of the prefetcher: a stream of extents through the slots, from a start to an end."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import time
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from penstock.manifest import ManifestReader
from penstock.plan import turn_at, window_extents
from penstock.records import StreamSpec
from penstock.sources import ObjectSource, RequestMeter, is_local
from penstock.window.cache import Cache
from penstock.window.control import Control, FillerState
from penstock.window.cursor import Cursor
from penstock.window.dividing import Division, Gauge, divide_when_known, keeps_at_once
from penstock.window.fetch import Fetcher, put_error, put_skipped
from penstock.window.files import file_room_bytes, sweep_files
from penstock.window.fills import Fill
from penstock.window.folder import foreign_bytes, sweep, used_bytes
from penstock.window.foreseeing import AHEAD_OBJECTS, Foreseeing
from penstock.window.geometry import plan_geometry
from penstock.window.handed import HandedOver, given_bytes
from penstock.window.kept import KEPT_ENTRY, KeptArea, kept_entries
from penstock.window.kept_parts import KeptParts, bytes_to_keep, kept_places, repeats, what_is_kept
from penstock.window.layout import ExtentStatus, SlotState
from penstock.window.packing import Pack
from penstock.window.planning import Planner
from penstock.window.policy import SlotRange, WindowPolicy, choose_adopted, choose_kept
from penstock.window.slots import Slots
from penstock.window.wakeup import Bell

__all__ = ["FillerSession", "stream_key"]

GROWING_SLOTS = 8
"""Slots that must be there beyond those of a batch for the first packs to be small ones."""

_log = logging.getLogger(__name__)


def stream_key(spec: StreamSpec) -> str:
    """Name what stream indices mean: slots of one key may be adopted by another session of the same key."""
    order = msgspec.json.encode(spec.order)
    parts = (spec.manifest_fingerprint.encode(), spec.plan_fingerprint.encode(), order, spec.on_bad_sample.encode())
    return hashlib.sha256(b"".join(parts)).hexdigest()


class FillerSession:
    """Fills slots for one session; ``open`` makes one."""

    def __init__(
        self,
        folder: Path,
        spec: StreamSpec,
        *,
        manifest: ManifestReader,
        source: ObjectSource,
        meter: RequestMeter,
        slots: Slots,
        batch_slots: int,
        keepable_bytes: int,
        max_in_flight: int,
        bell: Bell,
        cache: Cache | None,
    ) -> None:
        self._folder = folder
        self._cache = cache
        self._spec = spec
        self._manifest = manifest
        self._source = source
        self._meter = meter
        self._bell = bell
        self._slots = slots
        self._control = slots.control
        self._batch_slots = batch_slots
        # Divided already, or nothing to divide: what an earlier process divided stays so.
        self._keepable_bytes = 0 if self._control.kept_area_bytes else keepable_bytes
        self._slots_left: int | None = None
        self._is_starved = False
        self._gauge = Gauge(self._control.slots_file_bytes)
        self._is_local = is_local(manifest.info.source.uri)
        self._cursors: dict[int, Cursor] = {}
        loop = asyncio.get_running_loop()
        self._to_keep = to_keep = what_is_kept(spec.order, manifest.info)
        places = kept_places(spec.order, slots.kept_at, self._control.kept_area_bytes)
        index = [(at, at + kept_entries(end - at, **to_keep) * KEPT_ENTRY.itemsize) for at, end in places]
        self._reservation = slots.reserve(kept_index=index, on_more=functools.partial(_wake, loop, bell))
        areas = [slots.kept_area(place, **to_keep) for place in places]
        self._kept: KeptArea | KeptParts = areas[0]
        if repeats(spec.order):
            start = max(spec.first_index, self._cursor())
            self._kept = KeptParts(areas, spec.order, start=start, settled=lambda: self._policy.settled_index)
        self._pack: Pack | None = None
        self._planner = Planner(
            spec.order,
            manifest,
            self._kept,
            slot_bytes=slots.slot_bytes,
            pack_bytes=slots.share_bytes,
            grows_from=spec.first_index if slots.num_slots >= batch_slots + GROWING_SLOTS else None,
            cache=cache,
        )
        self._foreseeing = Foreseeing(source)
        requested = source.meter
        self._fetcher = Fetcher(
            source,
            self._kept,
            max_in_flight=max_in_flight,
            read_meter=lambda: (requested.bytes_downloaded, requested.busy_answers),
            note_fetching=self._note_fetching,
            on_broken=bell.changed.set,
            cache=cache,
        )

    @classmethod
    async def open(
        cls,
        folder: Path,
        spec: StreamSpec,
        *,
        control: Control,
        manifest: ManifestReader,
        source: ObjectSource,
        meter: RequestMeter,
        window_bytes: int,
        max_in_flight: int,
        bell: Bell,
        cache: Cache | None = None,
    ) -> Self:
        """Make the window ready for a session, and name the session in it.

        Args:
            meter: counts what is handed over; what is requested is counted by the source's.
            cache: on disk, in which all that there is room for is kept; the window itself keeps nothing then.

        Raises:
            WindowTooSmall, DiskFull, OutputUnwritable: the window cannot be made.
        """
        sweep(folder, num_ranks=spec.num_ranks)
        sweep_files(folder)
        epoch_bytes = what_is_kept(spec.order, manifest.info)["total_bytes"]
        planned = plan_geometry(
            window_bytes=window_bytes,
            max_extent_bytes=manifest.info.max_extent_bytes,
            max_description_bytes=manifest.info.max_description_bytes,
            batch_extents=spec.batch_extents,
            holds_many=manifest.info.holds_many,
            num_ranks=spec.num_ranks,
            reserved_bytes=foreign_bytes(folder)
            + file_room_bytes(num_files=spec.num_files, max_extent_bytes=manifest.info.max_extent_bytes),
            keep_bytes=bytes_to_keep(spec, manifest.info) if cache is None else 0,
            keeps_at_once=repeats(spec.order) or keeps_at_once(window_bytes, epoch_bytes=epoch_bytes),
        )
        if control.session not in ("", spec.session):
            control.give_up()
        session = cls(
            folder,
            spec,
            manifest=manifest,
            source=source,
            meter=meter,
            slots=Slots(folder, control, planned, stream_key(spec)),
            batch_slots=planned.batch_slots,
            keepable_bytes=planned.keepable_bytes,
            max_in_flight=max_in_flight,
            bell=bell,
            cache=cache,
        )
        try:
            await session._begin()
        except BaseException:
            # It would reserve blocks of a file that the next session takes the place of, beyond the bound.
            session._reservation.close()
            raise
        return session

    async def run(self) -> None:
        """Fill slots as readers free them, for as long as the session lasts."""
        try:
            while True:
                self._follow_readers()
                self._divide()
                while self._wants_more() and (slot := self._policy.free_slot()) is not None and self._fill(slot):
                    # Its requests go out before the next pack is put together.
                    await asyncio.sleep(0)
                    if self._bell.changed.is_set():  # who closes a stream waits for it, and a window has many slots
                        self._follow_readers()
                self._put_meters()
                await self._bell.wait()
                self._fetcher.check()
                self._reservation.check()
        finally:
            self._count_passed(max(self._policy.cursor, self._cursor()))
            # Waited for, so that nothing writes into a slot that the next session uses.
            await self._foreseeing.close()
            await self._fetcher.close()
            self._reservation.close()
            self._planner.close()

    def _follow_readers(self) -> None:
        """Free the slots that all readers have passed, and count what was in them."""
        for freed in self._policy.move_cursor(self._cursor()):
            self._slots.set_state(freed, SlotState.FREE)
        self._count_passed(self._policy.cursor)

    def _note_fetching(self, microseconds: int) -> None:
        """Count time in which requests were under way, and whether the next batch lacked something when it began."""
        self._meter.add("fetching_microseconds", microseconds)
        if self._is_starved:
            self._meter.add("starved_microseconds", microseconds)
        needed = min(self._policy.cursor + self._spec.batch_extents, self._spec.end_index)
        self._is_starved = self._policy.ready_index < needed

    def _wants_more(self) -> bool:
        return self._policy.wants_more and self._policy.next_index < self._limit_index

    @property
    def _limit_index(self) -> int:
        """Stream index before which the next pack has to end."""
        limit, kept = self._policy.limit_index, self._kept
        if isinstance(kept, KeptParts):
            return min(limit, kept.limit(self._policy.cursor, at_least=self._spec.batch_extents))
        return limit

    def _divide(self) -> None:
        """Have a part of the window kept, once it is known what reading ahead needs of it."""
        if self._keepable_bytes and self._slots_left is None and (found := self._find_division()) is not None:
            room_bytes = self._control.slots_file_bytes
            self._control.ahead_bytes = found.ahead_bytes
            if found.kept_bytes:
                _log.info(
                    "session.divided kept_bytes=%d ahead_bytes=%d room_bytes=%d least_seconds=%.4f mean_seconds=%.4f",
                    found.kept_bytes,
                    found.ahead_bytes,
                    room_bytes,
                    self._fetcher.answers.least_seconds,
                    self._fetcher.answers.mean_seconds,
                )
                self._slots_left = (room_bytes - found.kept_bytes) // self._slots.slot_bytes
        if self._slots_left is None or not self._policy.retire(self._slots_left):
            return
        kept_at = self._slots_left * self._slots.slot_bytes
        size = self._control.slots_file_bytes - kept_at
        index_bytes = kept_entries(size, **self._to_keep) * KEPT_ENTRY.itemsize
        self._reservation.take(kept_at, kept_at + index_bytes)
        self._slots.divide(self._slots_left, index_bytes=index_bytes)
        num_extents = window_extents(self._spec.order)
        passed = self._policy.next_index % num_extents
        self._kept = self._slots.kept_area(
            (kept_at, kept_at + size), **self._to_keep, share_left=1 - passed / num_extents
        )
        self._planner.keep_in(self._kept, pack_bytes=self._slots.share_bytes)
        self._fetcher.keep_in(self._kept)
        self._keepable_bytes, self._slots_left = 0, None

    def _find_division(self) -> Division | None:
        """Return the division as far as it is known by now; None where that is not at all."""
        return divide_when_known(
            self._gauge,
            self._fetcher.answers,
            now=time.monotonic(),
            room_bytes=self._control.slots_file_bytes,
            keepable_bytes=self._keepable_bytes,
            received_bytes=self._fetcher.read_bytes,
            in_flight_bytes=self._fetcher.in_flight_bytes,
            is_local=self._is_local,
        )

    async def _begin(self) -> None:
        control, start = self._control, max(self._spec.first_index, self._cursor())
        same = control.session == self._spec.session
        self._handed, self._reused = (HandedOver(control.cursor if same else start) for _ in range(2))
        if same:  # readers went on while no prefetcher was there: what they passed goes in a moment
            for held in self._slots.ready():
                self._put_handed(held)
        self._count_passed(start)
        adopted = await self._adopt(start, same_session=same)
        self._slots.free_all_but({held.slot for held in adopted})
        self._policy = WindowPolicy(
            self._slots.num_slots, start_index=start, end_index=self._spec.end_index, adopted=adopted
        )
        for held in adopted:
            self._put_handed(held)
        self._fetched_before = control.fetched_through
        control.gauge(used_bytes(self._folder))
        control.put_error(self._spec.session, None)
        self._put_failed()
        control.state = FillerState.RUNNING
        control.session = self._spec.session
        _log.info(
            "session.window slots=%d slot_bytes=%d adopted=%d",
            self._slots.num_slots,
            self._slots.slot_bytes,
            len(adopted),
        )
        self._bell.ring()

    async def _adopt(self, start: int, *, same_session: bool) -> list[SlotRange]:
        """Choose the slots to keep, and verify them, a slot at a time beside the event loop."""
        found = list(self._slots.ready())
        chosen = choose_kept(found, start) if same_session else choose_adopted(found, start)
        good: list[SlotRange] = []
        for held in chosen:
            verified = await asyncio.to_thread(self._slots.verify, held)
            if verified is not None:
                good.append(verified)
            elif not same_session:
                break
        if same_session:
            return good
        return choose_adopted(good, start, at_most=self._slots.num_slots - self._batch_slots)

    def _fill(self, slot: int) -> bool:
        """Begin to fill a slot; False where blocks that it needs are not reserved yet."""
        pack = self._pack or self._planner.next(self._policy.next_index, self._limit_index)
        place = slot * self._slots.slot_bytes
        kept_at = self._slots.kept_at
        reserved = self._reservation
        if not (reserved.holds(place, place + self._slots.slot_bytes) and reserved.holds(kept_at, pack.kept_end)):
            self._pack = pack
            return False
        self._pack = None
        if self._cache is not None and pack.first_index >= self._spec.first_index + window_extents(self._spec.order):
            self._cache.begin_epoch()
        self._policy.begin(slot, first_index=pack.first_index, end_index=pack.end_index)
        self._slots.set_state(slot, SlotState.FILLING)
        fill = Fill(
            pack=pack,
            slot=self._slots.place(slot),
            on_done=functools.partial(self._filled, slot),
            may_skip=self._spec.on_bad_sample == "skip",
        )
        self._fetcher.begin(fill)
        self._foreseeing.look(self._planner.coming(pack.end_index, AHEAD_OBJECTS))
        return True

    def _filled(self, slot: int, fill: Fill) -> None:
        pack, failed_at = fill.pack, fill.failed_at
        if failed_at is not None:
            error = fill.errors[failed_at]
            _log.error("sample.failed sample=%s error=%s", pack.keys[failed_at], error)
            put_error(pack, failed_at, error, fill.slot)
        if fill.errors:
            put_skipped(fill)
        count = len(pack.keys) if failed_at is None else failed_at + 1
        self._publish(slot, pack, pack.table.tobytes() + pack.described, count=count)
        given = given_bytes(pack.table[:count])
        self._handed.put(pack.first_index, given)
        self._reused.put(pack.first_index, np.where(np.isin(np.arange(count), sorted(fill.reused)), given, 0))
        if failed_at is None:
            self._policy.complete(slot)
            self._count(fill)
        else:
            self._policy.fail(slot, pack.first_index + failed_at)
            self._put_failed()
        self._put_meters()
        self._bell.ring()
        self._bell.changed.set()

    def _publish(self, slot: int, pack: Pack, table: bytes, *, count: int) -> None:
        self._slots.publish(slot, table, first_index=pack.first_index, count=count, length_bytes=pack.length_bytes)

    def _count(self, fill: Fill) -> None:
        """Meter a pack; what an earlier process or session had fetched before counts as fetched again."""
        pack = fill.pack
        again = max(0, self._fetched_before - pack.first_index)
        status, sizes = pack.table["status"], pack.table["data_bytes"]
        was_read = (status == ExtentStatus.DATA) & ~np.isin(np.arange(len(status)), sorted(fill.reused))
        again_bytes = int(sizes[:again][was_read[:again]].sum())
        meter = self._source.meter
        meter.add("refetched_bytes", again_bytes)
        meter.add("wasted_bytes", pack.wasted_bytes)
        self._control.fetched_through = max(self._control.fetched_through, pack.end_index)

    def _put_handed(self, held: SlotRange) -> None:
        """Take in a slot that an earlier process filled; what it has of the kept part was there, but at first."""
        given, kept = self._slots.sizes(held.slot)
        self._handed.put(held.first_index, given)
        is_first = turn_at(self._spec.order, held.first_index) == 0
        self._reused.put(held.first_index, np.zeros_like(kept) if is_first else kept)

    def _count_passed(self, cursor: int) -> None:
        """Count what was handed over below a cursor, before it is told that this was counted."""
        self._meter.add("sample_bytes", self._handed.move(cursor))
        self._meter.add("reused_bytes", self._reused.move(cursor))
        self._control.cursor = cursor

    def _put_failed(self) -> None:
        """Tell where the stream ends with an error, whoever waits for what would come after it."""
        failed = self._policy.failed_index
        self._control.failed_end = 0 if failed is None else failed + 1

    def _put_meters(self) -> None:
        self._control.kept_bytes = self._kept.kept_bytes
        self._control.in_flight_limit = self._fetcher.limit
        self._control.cache_bytes = 0 if self._cache is None else self._cache.used_bytes

    def _cursor(self) -> int:
        """Return the lowest of the readers' cursors; a reader that is not there yet holds the start."""
        found = []
        for rank in range(self._spec.num_ranks):
            if rank not in self._cursors or not self._cursors[rank].is_there():
                self._cursors.pop(rank, None)
                cursor = Cursor.open(self._folder, rank)
                if cursor is None or cursor.session != self._spec.session:
                    found.append(self._spec.first_index)
                    continue
                self._cursors[rank] = cursor
            found.append(self._cursors[rank].index)
        return min(*found, self._spec.end_index)


def _wake(loop: asyncio.AbstractEventLoop, bell: Bell) -> None:
    loop.call_soon_threadsafe(bell.changed.set)
