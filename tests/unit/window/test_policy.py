"""The window's pure parts under arbitrary orders of events."""

from __future__ import annotations

import itertools
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from penstock.errors import WindowTooSmall
from penstock.window.geometry import SLOT_TAIL_BYTES, plan_geometry, slot_capacity, slots_for_batch
from penstock.window.layout import SlotState
from penstock.window.policy import SlotRange, WindowPolicy, choose_adopted, choose_kept

SOAK_STEPS = int(os.environ.get("PENSTOCK_SOAK_STEPS", "4000"))
"""Steps of the state machine, all examples together, at least."""


sizes_bytes = st.integers(1, 10**8)
batches = st.integers(1, 512)


@given(st.integers(1, 10**10), sizes_bytes, batches, st.integers(0, 10**6), st.integers(1, 16))
def test_geometry_never_exceeds_the_bound(window: int, sample: int, batch: int, reserved: int, ranks: int) -> None:
    try:
        shape = plan_geometry(
            window_bytes=window, max_extent_bytes=sample, batch_extents=batch, num_ranks=ranks, reserved_bytes=reserved
        )
    except WindowTooSmall:
        return
    assert shape.total_bytes + reserved <= window + reserved
    assert shape.total_bytes <= window
    assert shape.slot_bytes >= sample
    assert shape.batch_slots <= shape.num_slots <= slot_capacity(window)


@given(sizes_bytes, batches, st.integers(0, 10**8), st.integers(1, 16))
def test_size_named_by_the_error_is_enough(sample: int, batch: int, reserved: int, ranks: int) -> None:
    needs = {"max_extent_bytes": sample, "batch_extents": batch, "num_ranks": ranks, "reserved_bytes": reserved}
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
    """Fills finish in any order, samples fail, readers take batches as they can see them, either side is killed.

    Samples have sizes, so that packing cuts as it does in earnest, and sessions may end early, which cuts a pack
    short. A reader may look at any visible slot that is not behind its own cursor, so such a slot may not be used
    again while the session lives. A slot's bytes are modelled as the indices that are whole in it: what is begun
    holds nothing, and what is delivered must be there. An object that fails is an error at its sample, until it is
    put right. Broken on purpose it fails: ``choose_kept`` that stops at a gap, a session's start without ``at_most``,
    ``move_cursor`` that frees one index too early, ``begin`` that makes a slot READY, ``choose_adopted`` that takes
    slots with errors, ``_skip_adopted`` that does nothing, ``free_slot`` that gives a slot that is in use.
    """

    END = 400
    ROOM = 20
    num_steps = 0

    @initialize(
        slots=st.integers(2, 6),
        batch=st.integers(1, 12),
        seed=st.integers(0, 99),
        ranks=st.integers(1, 3),
        failing=st.sets(st.integers(0, END - 1), max_size=4),
    )
    def start(self, slots: int, batch: int, seed: int, ranks: int, failing: set[int]) -> None:
        chance, largest = random.Random(seed), self.ROOM if seed % 2 else 3
        self.sizes = [chance.randint(1, largest) for _ in range(self.END)]
        self.num_slots, self.batch = slots, batch
        self.batch_slots = slots_for_batch(self.ROOM + SLOT_TAIL_BYTES, largest, batch)
        if self.batch_slots > slots:
            self.batch = self.batch_slots = 1
        self.failing = failing
        self.whole: list[set[int]] = [set() for _ in range(slots)]
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
        self.whole[slot] = set()
        return True

    def filling(self) -> list[int]:
        return [slot for slot in self.ranges if self.policy.state(slot) is SlotState.FILLING]

    def finish(self, slot: int) -> None:
        """End a fill: with all samples whole, or with an error in the place of the first one that fails."""
        held = self.ranges[slot]
        failed = min((index for index in self.failing if held.first_index <= index < held.end_index), default=None)
        self.whole[slot] = set(range(held.first_index, held.end_index if failed is None else failed))
        if failed is None:
            self.policy.complete(slot)
            return
        self.policy.fail(slot, failed)
        self.ranges[slot] = SlotRange(slot=slot, first_index=held.first_index, end_index=failed + 1, has_error=True)

    def read_batch(self, rank: int) -> bool:
        """Take a batch if all of it is there; an error in it ends the job, which comes back when it is put right."""
        first = self.cursors[rank]
        end = min(first + self.batch, self.end)
        there = {index: held for held in self.visible() for index in range(held.first_index, held.end_index)}
        for index in range(first, end):
            if index not in there:
                return False
            held = there[index]
            if held.has_error and index == held.end_index - 1:
                assert index in self.failing, "an error at a sample that has none"
                self.failing.discard(index)
                self.begin_anew(min(self.cursors), self.end)
                return True
            assert index in self.whole[held.slot], "a sample that is not whole"
        self.delivered[rank] += range(first, end)
        self.cursors[rank] = end
        return first != end

    def free(self) -> None:
        for slot in self.policy.move_cursor(min(self.cursors)):
            assert self.ranges.pop(slot).end_index <= min(self.cursors)

    def begin_anew(self, first: int, end: int, damaged: int | None = None) -> None:
        """All ranks come back with a new session from one place."""
        for delivered in self.delivered:
            del delivered[first:]
        chosen = choose_adopted(self.visible(), first)
        good = list(itertools.takewhile(lambda held: held.slot != damaged, chosen))
        adopted = choose_adopted(good, first, at_most=self.num_slots - self.batch_slots)
        self.begin_session(first, end, adopted)

    @rule(times=st.integers(1, 6))
    def begin(self, times: int) -> None:
        self.count()
        for _ in range(times):
            self.begin_one()

    @precondition(lambda self: self.filling())
    @rule(pick=st.integers(0, 5))
    def complete(self, pick: int) -> None:
        self.count()
        filling = self.filling()
        self.finish(filling[pick % len(filling)])

    @rule(times=st.integers(1, 10), rank=st.integers(0, 2))
    def read_on(self, times: int, rank: int) -> None:
        self.count()
        for _ in range(times):
            self.read_batch(rank % len(self.cursors))
        self.free()

    @rule(damaged=st.one_of(st.none(), st.integers(0, 5)))
    def kill_prefetcher(self, damaged: int | None) -> None:
        """It comes back to readers that live, and may be looking at any visible slot; one may be damaged."""
        self.count()
        looked_at = {held.slot for held in self.visible() if held.end_index > min(self.cursors)}
        kept = choose_kept(self.visible(), min(self.cursors))
        assert looked_at == {held.slot for held in kept}
        self.new_policy(min(self.cursors), [held for held in kept if held.slot != damaged])

    @rule(
        back=st.integers(0, 60),
        length=st.one_of(st.none(), st.integers(1, 40)),
        damaged=st.one_of(st.none(), st.integers(0, 5)),
    )
    def kill_trainer(self, back: int, length: int | None, damaged: int | None) -> None:
        """It comes back with a new session from its checkpoint, which may end early, as a probe does."""
        self.count()
        first = max(0, min(self.cursors) - back)
        self.begin_anew(first, self.END if length is None else min(self.END, first + length), damaged)

    @rule(back=st.integers(0, 60), times=st.integers(1, 6))
    def probe(self, back: int, times: int) -> None:
        """Sessions from one place that each go a sample further leave slots that are hardly used."""
        self.count()
        first = max(0, min(self.cursors) - back)
        for length in range(1, times + 1):
            self.begin_anew(first, min(self.END, first + length))
            self.begin_one()
            for slot in self.filling():
                self.finish(slot)
        self.begin_anew(first, self.END)

    @classmethod
    def count(cls) -> None:
        WindowMachine.num_steps += 1

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
        failed = self.policy.failed_index
        end = self.policy.next_index if failed is None else min(failed, self.policy.next_index)
        assert all(index in held for index in range(min(self.cursors), end))

    def teardown(self) -> None:
        """From wherever it stands, the stream comes to its end, over every error."""
        if not hasattr(self, "cursors"):
            return
        while min(self.cursors) < self.end:
            while self.begin_one():
                pass
            for slot in self.filling():
                self.finish(slot)
            moved = [self.read_batch(rank) for rank in range(len(self.cursors))]
            self.free()
            assert any(moved), "nothing moves any more"
        assert self.delivered == [list(range(self.end)) for _ in self.delivered]


def test_window_machine() -> None:
    """Runs until it has made the steps that were asked for, and tells how many that were."""
    WindowMachine.num_steps = 0
    fresh = {"derandomize": False, "database": None} if "PENSTOCK_SOAK_STEPS" in os.environ else {}
    while (left := SOAK_STEPS - WindowMachine.num_steps) > 0:
        how = settings(max_examples=min(2000, left // 50 + 1), stateful_step_count=50, deadline=None, **fresh)
        run_state_machine_as_test(WindowMachine, settings=how)  # type: ignore[no-untyped-call]
    print(f"{WindowMachine.num_steps} steps of the window's states")
    assert WindowMachine.num_steps >= SOAK_STEPS


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
