"""A run gone through before it is made: the window's own planner, slots and division over the plan, in reckoned time.

What it finds and a formula cannot: that nothing of a pack is there before all of it is, that a window keeps what its
hash chooses until it is full, when it is divided, and what that makes of an epoch's beginning and end.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from penstock.cost.forecasting.course import Course
from penstock.cost.forecasting.wire import Wire
from penstock.errors import WindowTooSmall
from penstock.loader.ahead import AHEAD_BATCHES
from penstock.manifest import ManifestReader
from penstock.window.dividing import Division, Gauge, divide_when_known, keeps_at_once
from penstock.window.geometry import Geometry, plan_geometry
from penstock.window.kept import KEPT_ENTRY, KeptArea, align, kept_area_bytes, kept_entries
from penstock.window.kept_parts import what_is_kept
from penstock.window.layout import ExtentStatus
from penstock.window.packing import Pack
from penstock.window.planning import Planner
from penstock.window.policy import WindowPolicy
from penstock.window.session import GROWING_SLOTS

__all__ = ["Replayed", "Terms", "replay"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a course is gone through on.

    Attributes:
        compute_seconds: of an epoch.
        batch_extents: that the window must hold at once.
    """

    window_bytes: int
    epochs: int
    compute_seconds: float
    bytes_per_second: float
    latency_seconds: float
    head_bytes: float
    batch_extents: int
    most_in_flight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """What it came to.

    Attributes:
        seconds: from the first request to the end of the last batch.
        read_bytes: of all epochs.
        kept_bytes: of samples, that the window keeps in the end.
    """

    seconds: float
    read_bytes: int
    requests: int
    kept_bytes: int


@functools.lru_cache(maxsize=64)
def replay(course: Course, terms: Terms) -> Replayed | None:
    """Go through a course; None where the window is too small for it."""
    with ManifestReader(course.manifest) as manifest:
        to_keep = what_is_kept(course.order, manifest.info)
        try:
            geometry = plan_geometry(
                window_bytes=terms.window_bytes,
                max_extent_bytes=manifest.info.max_extent_bytes,
                max_description_bytes=manifest.info.max_description_bytes,
                batch_extents=terms.batch_extents,
                keep_bytes=kept_area_bytes(**to_keep) if terms.epochs > 1 else 0,
                keeps_at_once=keeps_at_once(terms.window_bytes, epoch_bytes=to_keep["total_bytes"]),
            )
            return _run(_Session(course, terms, manifest, geometry, to_keep), _Trainer(course, terms))
        except WindowTooSmall:
            return None


def _run(session: _Session, trainer: _Trainer) -> Replayed:
    wire = session.wire
    try:
        session.turn()
        while True:
            while trainer.go_on(wire.now, session.ready_index):
                if session.read_to(trainer.cursor):
                    session.turn()
            if trainer.is_done:
                break
            wire.move(min(wire.next_seconds, trainer.next_seconds))
            if session.has_more:
                session.turn()
    finally:
        session.close()
    return Replayed(
        seconds=wire.now, read_bytes=wire.read_bytes, requests=wire.num_requests, kept_bytes=session.kept.kept_bytes
    )


class _Trainer:
    """Takes batches in their order, while a few more are made ahead of it.

    Attributes:
        cursor: index below which nothing is needed any more.
        next_seconds: when it is done with its batch; infinite where it waits for one.
    """

    def __init__(self, course: Course, terms: Terms) -> None:
        self._coming: Iterator[tuple[int, float]] = course.batches(terms.epochs)
        self._epoch_seconds = terms.compute_seconds
        self._making = next(self._coming, None)
        self._made: list[float] = []
        self.cursor = 0
        self.next_seconds = math.inf

    @property
    def is_done(self) -> bool:
        """Whether no batch is left."""
        return self._making is None and not self._made and math.isinf(self.next_seconds)

    def go_on(self, now: float, ready_index: int) -> bool:
        """Do what can be done by now; tell whether anything was."""
        if self.next_seconds <= now:
            self.next_seconds = math.inf
            return True
        if self._made and math.isinf(self.next_seconds):
            self.next_seconds = now + self._made.pop(0)
            return True
        if self._making is None or len(self._made) >= AHEAD_BATCHES:
            return False
        end, share = self._making
        moved, self.cursor = self.cursor < min(end, ready_index), max(self.cursor, min(end, ready_index))
        if self.cursor == end:
            self._made.append(share * self._epoch_seconds)
            self._making = next(self._coming, None)
        return moved


class _Session:
    """The prefetcher's side, as ``penstock.window.session`` has it, without bytes.

    Attributes:
        kept: the part of the window where extents stay.
        ready_index: below which everything is there.
        has_more: whether a pack has come since it was last seen to.
    """

    def __init__(
        self, course: Course, terms: Terms, manifest: ManifestReader, cut: Geometry, to_keep: dict[str, int]
    ) -> None:
        self.wire = Wire(
            bytes_per_second=terms.bytes_per_second,
            latency_seconds=terms.latency_seconds,
            head_bytes=terms.head_bytes,
            most_in_flight=terms.most_in_flight,
        )
        self._num_extents, self._to_keep = course.order.num_extents, to_keep
        self._slot_bytes, self._num_slots = cut.slot_bytes, cut.num_slots
        self._room_bytes = cut.num_slots * cut.slot_bytes + cut.kept_area_bytes
        self._keepable_bytes = cut.keepable_bytes
        self._slots_left: int | None = None
        self._gauge = Gauge(self._room_bytes)
        self.kept = self._area(cut.kept_area_bytes)
        self._there: set[int] = set()
        self._waiting: dict[int, list[_Fill]] = {}
        self._reads_left: dict[int, int] = defaultdict(int)
        self._cursor = self.ready_index = 0
        self.has_more = False
        self._ends: deque[int] = deque()
        self._policy = WindowPolicy(cut.num_slots, start_index=0, end_index=terms.epochs * self._num_extents)
        self._planner = Planner(
            course.order,
            manifest,
            self.kept,
            slot_bytes=cut.slot_bytes,
            pack_bytes=self._room_bytes // cut.num_slots,
            grows_from=0 if cut.num_slots >= cut.batch_slots + GROWING_SLOTS else None,
        )

    def close(self) -> None:
        """End the planner's thread."""
        self._planner.close()

    def read_to(self, index: int) -> bool:
        """Move the reader's cursor; tell whether it has passed a pack."""
        self._cursor = index
        return bool(self._ends) and self._ends[0] <= index

    def turn(self) -> None:
        """Fill what slots the reader has freed."""
        policy, self.has_more = self._policy, False
        policy.move_cursor(self._cursor)
        while self._ends and self._ends[0] <= self._cursor:
            self._ends.popleft()
        self._divide()
        while policy.wants_more and (slot := policy.free_slot()) is not None:
            pack = self._planner.next(policy.next_index, policy.limit_index)
            policy.begin(slot, first_index=pack.first_index, end_index=pack.end_index)
            self._ends.append(pack.end_index)
            self._fetch(slot, pack)
        self.wire.employ()
        self.ready_index = policy.ready_index

    def complete(self, slot: int) -> None:
        """Take a pack that is there."""
        self._policy.complete(slot)
        self.has_more = True

    def _area(self, size_bytes: int, *, share_left: float = 1.0) -> KeptArea:
        """Return a kept part whose index alone is there."""
        entries = kept_entries(size_bytes, **self._to_keep)
        index = memoryview(bytearray(align(entries * KEPT_ENTRY.itemsize) or KEPT_ENTRY.itemsize))
        return KeptArea(index, offset=0, size_bytes=size_bytes, share_left=share_left, **self._to_keep)

    def _divide(self) -> None:
        if self._keepable_bytes and self._slots_left is None and (found := self._find_division()) and found.kept_bytes:
            self._slots_left = (self._room_bytes - found.kept_bytes) // self._slot_bytes
        if self._slots_left is None or not self._policy.retire(self._slots_left):
            return
        size = self._room_bytes - self._slots_left * self._slot_bytes
        passed = self._policy.next_index % self._num_extents
        self.kept = self._area(size, share_left=1 - passed / self._num_extents)
        self._planner.keep_in(self.kept, pack_bytes=self._room_bytes // self._slots_left)
        self._keepable_bytes, self._slots_left = 0, None

    def _find_division(self) -> Division | None:
        return divide_when_known(
            self._gauge,
            self.wire.answers,
            now=self.wire.now,
            room_bytes=self._room_bytes,
            keepable_bytes=self._keepable_bytes,
            received_bytes=self.wire.read_bytes,
            in_flight_bytes=self.wire.in_flight_bytes,
        )

    def _fetch(self, slot: int, pack: Pack) -> None:
        """Ask for what of a pack is not there; of what is kept, once."""
        fill = _Fill(functools.partial(self.complete, slot))
        places, is_kept = pack.table["data_offset"].tolist(), (pack.table["status"] == ExtentStatus.KEPT).tolist()
        elsewhere = {at for at, kept in enumerate(is_kept) if kept and self._is_asked(places[at])}
        for at in elsewhere:
            if places[at] not in self._there:
                self._waiting[places[at]].append(fill)
                fill.num_left += 1
        for read in pack.reads:
            at = read.positions[0]
            if at in elsewhere:
                continue
            fill.num_left += 1
            done = functools.partial(self._keep, fill, places[at]) if is_kept[at] else fill.end_one
            if is_kept[at]:
                self._reads_left[places[at]] += 1
                self._waiting.setdefault(places[at], [])
            self.wire.ask(read.length_bytes, done)
        fill.end_one()

    def _is_asked(self, place: int) -> bool:
        return place in self._there or place in self._waiting

    def _keep(self, fill: _Fill, place: int) -> None:
        """Take one of the answers that make a kept extent."""
        fill.end_one()
        self._reads_left[place] -= 1
        if not self._reads_left[place]:
            self._there.add(place)
            for other in self._waiting.pop(place):
                other.end_one()


class _Fill:
    """A pack on its way into a slot.

    Attributes:
        num_left: of its parts that are not there; one more until all are asked for.
    """

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done
        self.num_left = 1

    def end_one(self) -> None:
        """Take a part that has come."""
        self.num_left -= 1
        if not self.num_left:
            self._done()
