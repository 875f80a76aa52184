"""The prefetcher of a run that is gone through: planner, slots and division as they are, over a reckoned link."""

from __future__ import annotations

import functools
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from penstock.cost.forecasting.course import MOST_PASSED, MOST_REPLAYED, Course
from penstock.cost.forecasting.streaming import Keeping
from penstock.cost.forecasting.wire import Wire
from penstock.manifest import ManifestReader
from penstock.window.dividing import Division, Gauge, divide_when_known
from penstock.window.geometry import Geometry
from penstock.window.kept import KEPT_ENTRY, KeptArea, align, kept_area_bytes, kept_entries
from penstock.window.layout import ExtentStatus
from penstock.window.packing import Pack
from penstock.window.planning import Planner
from penstock.window.policy import WindowPolicy
from penstock.window.session import GROWING_SLOTS

__all__ = ["Asked", "Session", "Terms"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a course is gone through on.

    Attributes:
        compute_seconds: of an epoch.
        batch_extents: that the window must hold at once.
        most_requests: behind which it is gone through no further.
        most_samples: the same.
    """

    window_bytes: int
    epochs: int
    compute_seconds: float
    bytes_per_second: float
    latency_seconds: float
    head_bytes: float
    batch_extents: int
    most_in_flight: int
    most_requests: int = MOST_REPLAYED
    most_samples: int = MOST_PASSED


@dataclass(kw_only=True, slots=True)
class Asked:
    """What an epoch asks its source for.

    Attributes:
        kept_bytes: of the bytes, those that stay in the window.
        kept_requests: of the requests, those for such.
    """

    num_bytes: int = 0
    num_requests: int = 0
    kept_bytes: int = 0
    kept_requests: int = 0


class Session:
    """The prefetcher's side, as ``penstock.window.session`` has it, without bytes.

    Attributes:
        kept: the part of the window where extents stay.
        ready_index: below which everything is there.
        has_more: whether a pack has come since it was last seen to.
        asked: by epoch, of what has been planned by now.
        keeping: what the window keeps from when on; None before that is known.
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
        self._waiting: dict[int, list[Fill]] = {}
        self._reads_left: dict[int, int] = defaultdict(int)
        self._cursor = self.ready_index = 0
        self.has_more = False
        self.asked: dict[int, Asked] = defaultdict(Asked)
        self.keeping = None if cut.keepable_bytes else self._keeping(cut.kept_area_bytes, 0)
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

    def _keeping(self, size_bytes: int, index: int) -> Keeping:
        """Return what a kept part of a size keeps from a stream index on."""
        size = self._to_keep["total_bytes"]
        kept = min(1.0, size_bytes / kept_area_bytes(**self._to_keep)) * size
        return Keeping(kept_bytes=kept, begins_bytes=index / self._num_extents * size)

    def _divide(self) -> None:
        if self._keepable_bytes and self._slots_left is None and (found := self._find_division()):
            if found.kept_bytes:
                self._slots_left = (self._room_bytes - found.kept_bytes) // self._slot_bytes
            else:
                self.keeping = Keeping(kept_bytes=0.0)
        if self._slots_left is None or not self._policy.retire(self._slots_left):
            return
        size = self._room_bytes - self._slots_left * self._slot_bytes
        passed = self._policy.next_index % self._num_extents
        self.kept = self._area(size, share_left=1 - passed / self._num_extents)
        self._planner.keep_in(self.kept, pack_bytes=self._room_bytes // self._slots_left)
        self._keepable_bytes, self._slots_left = 0, None
        self.keeping = self._keeping(size, self._policy.next_index)

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
        fill = Fill(functools.partial(self.complete, slot))
        places, is_kept = pack.table["data_offset"].tolist(), (pack.table["status"] == ExtentStatus.KEPT).tolist()
        elsewhere = {at for at, kept in enumerate(is_kept) if kept and self._is_asked(places[at])}
        for at in elsewhere:
            if places[at] not in self._there:
                self._waiting[places[at]].append(fill)
                fill.num_left += 1
        asked = self.asked[pack.first_index // self._num_extents]
        for read in pack.reads:
            at = read.positions[0]
            if at in elsewhere:
                continue
            asked.num_bytes += read.length_bytes
            asked.num_requests += 1
            asked.kept_requests += is_kept[at]
            asked.kept_bytes += read.length_bytes * is_kept[at]
            fill.num_left += 1
            done = functools.partial(self._keep, fill, places[at]) if is_kept[at] else fill.end_one
            if is_kept[at]:
                self._reads_left[places[at]] += 1
                self._waiting.setdefault(places[at], [])
            self.wire.ask(read.length_bytes, done)
        fill.end_one()

    def _is_asked(self, place: int) -> bool:
        return place in self._there or place in self._waiting

    def _keep(self, fill: Fill, place: int) -> None:
        """Take one of the answers that make a kept extent."""
        fill.end_one()
        self._reads_left[place] -= 1
        if not self._reads_left[place]:
            self._there.add(place)
            for other in self._waiting.pop(place):
                other.end_one()


class Fill:
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
