"""The window's pure parts under arbitrary orders of events."""

from __future__ import annotations

import itertools
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.errors import WindowTooSmall
from penstock.window.geometry import SLOT_TAIL_BYTES, plan_geometry, slot_capacity, slots_for_batch
from penstock.window.layout import SlotState
from penstock.window.policy import SlotRange, WindowPolicy, choose_adopted, choose_kept

SOAK_STEPS = int(os.environ.get("PENSTOCK_SOAK_STEPS", "4000"))
"""Steps of the state machine, all examples together."""


sizes_bytes = st.integers(1, 10**8)
batches = st.integers(1, 512)


@given(st.integers(1, 10**10), sizes_bytes, batches, st.integers(0, 10**6), st.integers(1, 16))
def test_geometry_never_exceeds_the_bound(window: int, sample: int, batch: int, reserved: int, ranks: int) -> None:
    try:
        shape = plan_geometry(
            window_bytes=window, max_sample_bytes=sample, batch_samples=batch, num_ranks=ranks, reserved_bytes=reserved
        )
    except WindowTooSmall:
        return
    assert shape.total_bytes + reserved <= window + reserved
    assert shape.total_bytes <= window
    assert shape.slot_bytes >= sample
    assert shape.batch_slots <= shape.num_slots <= slot_capacity(window)


@given(sizes_bytes, batches, st.integers(0, 10**8), st.integers(1, 16))
def test_size_named_by_the_error_is_enough(sample: int, batch: int, reserved: int, ranks: int) -> None:
    needs = {"max_sample_bytes": sample, "batch_samples": batch, "num_ranks": ranks, "reserved_bytes": reserved}
    with pytest.raises(WindowTooSmall) as caught:
        plan_geometry(window_bytes=sample, **needs)
    enough = int(caught.value.fix.split("at least ")[1].split("Mi")[0]) << 20
    plan_geometry(window_bytes=enough, **needs)


ranges = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 10), st.booleans()), max_size=12)


def to_ranges(found: list[tuple[int, int, bool]]) -> list[SlotRange]:
    return [SlotRange(slot=n, first_index=a, end_index=a + size, has_error=e) for n, (a, size, e) in enumerate(found)]


@given(ranges, st.integers(0, 50), st.integers(0, 5))
def test_adopted_slots_continue_the_stream_without_a_gap(
    found: list[tuple[int, int, bool]], start: int, at_most: int
) -> None:
    chain = choose_adopted(to_ranges(found), start, at_most=at_most)
    wanted = start
    for held in chain:
        assert held.first_index <= wanted < held.end_index
        assert not held.has_error
        wanted = held.end_index
    assert len(chain) <= at_most


@given(ranges, st.integers(0, 50))
def test_kept_slots_are_all_that_may_be_read(found: list[tuple[int, int, bool]], start: int) -> None:
    kept = choose_kept(to_ranges(found), start)
    assert all(held.end_index > start for held in kept)
    assert all(one.end_index <= next_.first_index for one, next_ in itertools.pairwise(kept))
    covered = {index for held in kept for index in range(held.first_index, held.end_index)}
    for held in to_ranges(found):
        if held.end_index > start and held not in kept:
            assert covered & set(range(held.first_index, held.end_index))


class WindowMachine(RuleBasedStateMachine):
    """Fills finish in any order, readers take batches as they can see them, and either side is killed at any moment.

    Samples have sizes, so that packing cuts as it does in earnest, and sessions may end early, which cuts a pack
    short. A reader may look at any visible slot that is not behind its own cursor, so such a slot may not be used
    again while the session lives. Broken on purpose it fails: ``choose_kept`` that stops at a gap, a session's
    start without ``at_most``, ``move_cursor`` that frees one index too early.
    """

    END = 400
    ROOM = 20

    @initialize(slots=st.integers(2, 6), batch=st.integers(1, 12), seed=st.integers(0, 99), ranks=st.integers(1, 3))
    def start(self, slots: int, batch: int, seed: int, ranks: int) -> None:
        chance, largest = random.Random(seed), self.ROOM if seed % 2 else 3
        self.sizes = [chance.randint(1, largest) for _ in range(self.END)]
        self.num_slots, self.batch = slots, batch
        self.batch_slots = slots_for_batch(self.ROOM + SLOT_TAIL_BYTES, largest, batch)
        if self.batch_slots > slots:
            self.batch = self.batch_slots = 1
        self.delivered: list[list[int]] = [[] for _ in range(ranks)]
        self.begin_session(0, self.END, [])

    def begin_session(self, first: int, end: int, adopted: list[SlotRange]) -> None:
        self.end = end
        self.cursors = [first for _ in self.delivered]
        self.new_policy(first, adopted)

    def new_policy(self, start: int, adopted: list[SlotRange]) -> None:
        self.policy = WindowPolicy(self.num_slots, start_index=start, end_index=self.end, adopted=adopted)
        self.ranges = {held.slot: held for held in adopted}

    def visible(self) -> list[SlotRange]:
        return [held for slot, held in self.ranges.items() if self.policy.state(slot) is SlotState.READY]

    def begin_one(self) -> bool:
        slot = self.policy.free_slot()
        if slot is None or not self.policy.wants_more:
            return False
        assert slot not in self.ranges
        first = end = self.policy.next_index
        room = self.ROOM
        while end < self.policy.limit_index and self.sizes[end] <= room:
            room -= self.sizes[end]
            end += 1
        self.policy.begin(slot, first_index=first, end_index=end)
        self.ranges[slot] = SlotRange(slot=slot, first_index=first, end_index=end)
        return True

    def filling(self) -> list[int]:
        return [slot for slot in self.ranges if self.policy.state(slot) is SlotState.FILLING]

    def read_batch(self, rank: int) -> bool:
        first = self.cursors[rank]
        end = min(first + self.batch, self.end)
        there = {index for held in self.visible() for index in range(held.first_index, held.end_index)}
        if first == end or not there.issuperset(range(first, end)):
            return False
        self.delivered[rank] += range(first, end)
        self.cursors[rank] = end
        return True

    def free(self) -> None:
        for slot in self.policy.move_cursor(min(self.cursors)):
            assert self.ranges.pop(slot).end_index <= min(self.cursors)

    @rule(times=st.integers(1, 6))
    def begin(self, times: int) -> None:
        for _ in range(times):
            self.begin_one()

    @precondition(lambda self: self.filling())
    @rule(pick=st.integers(0, 5))
    def complete(self, pick: int) -> None:
        filling = self.filling()
        self.policy.complete(filling[pick % len(filling)])

    @rule(times=st.integers(1, 10), rank=st.integers(0, 2))
    def read_on(self, times: int, rank: int) -> None:
        for _ in range(times):
            self.read_batch(rank % len(self.cursors))
        self.free()

    @rule()
    def kill_prefetcher(self) -> None:
        """It comes back to readers that live, and may be looking at any visible slot."""
        looked_at = {held.slot for held in self.visible() if held.end_index > min(self.cursors)}
        kept = choose_kept(self.visible(), min(self.cursors))
        assert looked_at == {held.slot for held in kept}
        self.new_policy(min(self.cursors), kept)

    @rule(back=st.integers(0, 60), length=st.one_of(st.none(), st.integers(1, 40)))
    def kill_trainer(self, back: int, length: int | None) -> None:
        """It comes back with a new session from its checkpoint, which may end early, as a probe does."""
        first = max(0, min(self.cursors) - back)
        for delivered in self.delivered:
            del delivered[first:]
        adopted = choose_adopted(self.visible(), first, at_most=self.num_slots - self.batch_slots)
        self.begin_session(first, self.END if length is None else min(self.END, first + length), adopted)

    @rule(back=st.integers(0, 60), times=st.integers(1, 6))
    def probe(self, back: int, times: int) -> None:
        """Sessions from one place that each go a sample further leave slots that are hardly used."""
        self.kill_trainer(back, 1)
        for length in range(1, times + 1):
            self.kill_trainer(0, length)
            self.begin_one()
            for slot in self.filling():
                self.policy.complete(slot)
        self.kill_trainer(0, None)

    @invariant()
    def never_more_slots_than_there_are_and_no_sample_twice(self) -> None:
        assert len(self.ranges) <= self.num_slots
        held = [index for held in self.ranges.values() for index in range(held.first_index, held.end_index)]
        assert len(held) == len(set(held))

    @invariant()
    def samples_come_in_order_each_once(self) -> None:
        for delivered in self.delivered:
            assert delivered == list(range(len(delivered)))

    @invariant()
    def what_is_left_is_held_or_still_to_come(self) -> None:
        held = {index for one in self.ranges.values() for index in range(one.first_index, one.end_index)}
        assert all(index in held for index in range(min(self.cursors), self.policy.next_index))

    def teardown(self) -> None:
        """From wherever it stands, the stream comes to its end."""
        if not hasattr(self, "cursors"):
            return
        while min(self.cursors) < self.end:
            while self.begin_one():
                pass
            for slot in self.filling():
                self.policy.complete(slot)
            moved = [self.read_batch(rank) for rank in range(len(self.cursors))]
            self.free()
            assert any(moved), "nothing moves any more"
        assert self.delivered == [list(range(self.end)) for _ in self.delivered]


WindowMachine.TestCase.settings = settings(max_examples=max(1, SOAK_STEPS // 50), stateful_step_count=50, deadline=None)
test_window_machine = WindowMachine.TestCase


def test_error_ends_the_stream_but_gaps_before_it_are_filled() -> None:
    error = SlotRange(slot=1, first_index=20, end_index=25, has_error=True)
    policy = WindowPolicy(3, start_index=10, end_index=100, adopted=[error])
    assert policy.wants_more
    assert policy.limit_index == 20
    slot = policy.free_slot()
    assert slot is not None
    policy.begin(slot, first_index=10, end_index=20)
    assert not policy.wants_more
    assert policy.failed_index == 24


def test_part_that_is_passed_unread_is_freed_when_its_fetch_has_ended() -> None:
    policy = WindowPolicy(2, start_index=0, end_index=100)
    for end in (10, 20):
        slot = policy.free_slot()
        assert slot is not None
        policy.begin(slot, first_index=end - 10, end_index=end)
    late = next(slot for slot in range(2) if policy.state(slot) is SlotState.FILLING)
    assert policy.move_cursor(20) == []
    policy.complete(late)
    assert policy.move_cursor(20) == [late]
