"""The window's pure parts under arbitrary orders of events."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.errors import WindowTooSmall
from penstock.records import Sample, Span
from penstock.window.geometry import plan_geometry
from penstock.window.layout import SlotState
from penstock.window.packing import pack_samples
from penstock.window.policy import SlotRange, WindowPolicy, choose_adopted


def make_sample(number: int, size: int) -> Sample:
    span = Span(object="o", etag="e", object_bytes=size, offset=0, length_bytes=size)
    return Sample(key=f"s{number}", group="g", spans=(span,), target=None, decode="", args=())


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=60), st.integers(0, 1000))
def test_packs_tile_the_stream_and_fit_their_slots(sizes: list[int], first: int) -> None:
    slot_bytes = 40_960
    stream = [(first + number, make_sample(number, size)) for number, size in enumerate(sizes)]
    packs = list(pack_samples(stream, slot_bytes=slot_bytes))
    assert [sample for pack in packs for sample in pack.samples] == [sample for _, sample in stream]
    at = first
    for pack in packs:
        assert pack.first_index == at
        at = pack.end_index
        ends = [int(entry["data_offset"]) + int(entry["data_bytes"]) for entry in pack.table]
        starts = [int(entry["data_offset"]) for entry in pack.table]
        assert starts[0] >= pack.table.nbytes + len(pack.metas)
        assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
        assert ends[-1] <= pack.length_bytes <= slot_bytes


@given(st.integers(1, 10**9), st.integers(1, 10**8), st.integers(1, 512), st.integers(0, 10**6))
def test_geometry_never_exceeds_the_bound(window: int, sample: int, batch: int, reserved: int) -> None:
    try:
        shape = plan_geometry(
            window_bytes=window, max_sample_bytes=sample, batch_samples=batch, reserved_bytes=reserved
        )
    except WindowTooSmall:
        return
    assert shape.total_bytes <= window
    assert shape.slot_bytes >= sample


@given(st.integers(1, 10**8), st.integers(1, 512))
def test_size_named_by_the_error_is_enough(sample: int, batch: int) -> None:
    with pytest.raises(WindowTooSmall) as caught:
        plan_geometry(window_bytes=sample, max_sample_bytes=sample, batch_samples=batch)
    enough = int(caught.value.fix.split("at least ")[1].split("Mi")[0]) << 20
    try:
        plan_geometry(window_bytes=enough, max_sample_bytes=sample, batch_samples=1)
    except WindowTooSmall as error:  # pragma: no cover - the message below is the failure
        raise AssertionError(error) from error


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 10)), max_size=12), st.integers(0, 50))
def test_adopted_slots_continue_the_stream_without_a_gap(found: list[tuple[int, int]], start: int) -> None:
    ranges = [SlotRange(slot=n, first_index=a, end_index=a + size) for n, (a, size) in enumerate(found)]
    chain = choose_adopted(ranges, start)
    wanted = start
    for held in chain:
        assert held.first_index <= wanted < held.end_index
        wanted = held.end_index


class WindowMachine(RuleBasedStateMachine):
    """Fills finish in any order, the reader moves as far as it can see, and either side may restart."""

    END = 400
    SLOTS = 5

    def __init__(self) -> None:
        super().__init__()
        self.policy = WindowPolicy(self.SLOTS, start_index=0, end_index=self.END)
        self.ranges: dict[int, tuple[int, int]] = {}
        self.read = 0

    def visible(self) -> dict[int, tuple[int, int]]:
        return {slot: held for slot, held in self.ranges.items() if self.policy.state(slot) is SlotState.READY}

    @precondition(lambda self: self.policy.wants_more and self.policy.free_slot() is not None)
    @rule(size=st.integers(1, 20))
    def begin(self, size: int) -> None:
        slot = self.policy.free_slot()
        assert slot is not None
        assert slot not in self.ranges
        first = self.policy.next_index
        end = min(first + size, self.END)
        self.policy.begin(slot, first_index=first, end_index=end)
        self.ranges[slot] = (first, end)

    @rule(pick=st.randoms(use_true_random=False))
    def complete(self, pick: object) -> None:
        filling = [slot for slot in self.ranges if self.policy.state(slot) is SlotState.FILLING]
        if filling:
            self.policy.complete(pick.choice(filling))  # type: ignore[attr-defined]

    @rule(steps=st.integers(1, 30))
    def read_on(self, steps: int) -> None:
        for _ in range(steps):
            if not any(first <= self.read < end for first, end in self.visible().values()):
                break
            self.read += 1
        for slot in self.policy.move_cursor(self.read):
            _, end = self.ranges.pop(slot)
            assert end <= self.read

    @rule()
    def restart_prefetcher(self) -> None:
        found = [SlotRange(slot=s, first_index=a, end_index=b) for s, (a, b) in self.visible().items()]
        adopted = choose_adopted(found, self.read)
        self.policy = WindowPolicy(self.SLOTS, start_index=self.read, end_index=self.END, adopted=adopted)
        self.ranges = {held.slot: (held.first_index, held.end_index) for held in adopted}

    @rule(back=st.integers(0, 50))
    def restart_trainer(self, back: int) -> None:
        self.read = max(0, self.read - back)
        self.restart_prefetcher()

    @invariant()
    def never_more_slots_than_there_are_and_no_sample_twice(self) -> None:
        assert len(self.ranges) <= self.SLOTS
        held = [index for first, end in self.ranges.values() for index in range(max(first, self.read), end)]
        assert len(held) == len(set(held))

    @invariant()
    def what_is_left_is_held_or_still_to_come(self) -> None:
        held = {index for first, end in self.ranges.values() for index in range(first, end)}
        assert all(index in held for index in range(self.read, self.policy.next_index))


WindowMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
test_window_machine = WindowMachine.TestCase
