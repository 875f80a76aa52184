"""Requests in flight rise while that pays, and fall when the source asks for it."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.window.concurrency import LOWEST, Climber, Throttle


@given(st.floats(0.001, 0.2), st.floats(1e6, 2e9), st.sampled_from([16_384, 65_536, 1_048_576]))
def test_limit_fills_the_link_without_going_far_beyond(latency_seconds: float, link: float, range_bytes: int) -> None:
    """A link of ``link`` bytes per second whose requests each take ``latency_seconds`` at least."""
    highest = 1024
    climber = Climber(highest=highest)
    for _ in range(40):
        rate = min(link, climber.limit * range_bytes / latency_seconds)
        climber.measure(rate, was_binding=True, num_answers=climber.limit, num_refused=0)
    needed = link * latency_seconds / range_bytes
    reached = min(link, climber.limit * range_bytes / latency_seconds)
    assert reached >= 0.9 * min(link, highest * range_bytes / latency_seconds)
    assert climber.limit <= max(32 * 2, needed * 2 * 1.5) + 1


@given(st.integers(1, 500), st.lists(st.tuples(st.floats(0, 1e9), st.booleans(), st.floats(0, 1)), max_size=60))
def test_limit_stays_within_its_bounds(highest: int, seen: list[tuple[float, bool, float]]) -> None:
    climber = Climber(highest=highest)
    for rate, binding, refused_share in seen:
        num_refused = int(climber.limit * refused_share)
        limit = climber.measure(rate, was_binding=binding, num_answers=climber.limit, num_refused=num_refused)
        assert min(LOWEST, highest) <= limit <= highest


def test_refusals_of_all_halve_the_limit() -> None:
    climber = Climber(highest=256)
    assert climber.limit == 32
    assert climber.measure(1e6, was_binding=True, num_answers=32, num_refused=32) == 16
    assert climber.measure(1e6, was_binding=True, num_answers=16, num_refused=16) == 8


def test_limit_falls_to_what_the_source_took() -> None:
    climber = Climber(highest=256)
    assert climber.measure(1e6, was_binding=True, num_answers=64, num_refused=24) == 20


@pytest.mark.parametrize("was_binding", [True, False])
def test_a_small_share_of_refusals_leaves_the_limit_alone(was_binding: bool) -> None:
    climber = Climber(highest=256)
    assert climber.measure(1e6, was_binding=was_binding, num_answers=64, num_refused=6) == (64 if was_binding else 32)


def test_falls_that_follow_one_another_are_made_up_for_at_once() -> None:
    """A source that refused everything, and then nothing: back to the first fall by doubling, and no further."""
    climber = Climber(highest=256)
    limits = [
        climber.measure(1e6 * climber.limit, was_binding=True, num_answers=climber.limit, num_refused=refused)
        for refused in (32, 16, 8, 0, 0, 0, 0)
    ]
    assert limits == [16, 8, 4, 8, 16, 16, 16]


def test_limit_that_does_not_bind_is_left_alone() -> None:
    climber = Climber(highest=256)
    assert climber.measure(1e6, was_binding=False, num_answers=32, num_refused=0) == 32


def drive(throttle: Throttle, clock: list[float], *, waits: bool, seconds: float = 1.0) -> list[int]:
    """Let requests end for a while, one a millisecond; give the limits that came of it."""
    limits = []
    for _ in range(int(seconds * 1000)):
        clock[0] += 0.001
        if throttle.measure(was_binding=waits):
            limits.append(throttle.limit)
    return limits


def test_throttle_measures_what_the_meter_tells() -> None:
    clock = [0.0]
    throttle = Throttle(64, lambda: (0, int(clock[0] * 1000)), clock=lambda: clock[0])
    assert drive(throttle, clock, waits=True)[:4] == [16, 8, LOWEST, LOWEST]


@pytest.mark.parametrize("waits", [True, False])
def test_throttle_rises_only_while_requests_wait(waits: bool) -> None:
    clock = [0.0]
    throttle = Throttle(512, lambda: (int(clock[0] * 1000), 0), clock=lambda: clock[0])
    assert (drive(throttle, clock, waits=waits, seconds=0.2)[0] > 32) == waits


def test_throttle_does_not_measure_requests_of_the_limit_before() -> None:
    """Requests take 0.1 s each whatever their number, so that each doubling of the limit pays."""
    clock = [0.0]
    ended = [0]
    throttle = Throttle(512, lambda: (ended[0] * 1000, 0), clock=lambda: clock[0])
    under_way = [0.1] * throttle.limit
    while clock[0] < 2 and under_way:
        clock[0] = under_way.pop(0)
        ended[0] += 1
        throttle.measure(was_binding=True)
        under_way += [clock[0] + 0.1] * (throttle.limit - len(under_way))
    assert throttle.limit == 512


@settings(max_examples=30)
@given(st.integers(0, 1 << 30), st.floats(0.02, 0.5), st.floats(0, 0.1))
def test_limit_rises_where_requests_that_were_begun_together_end_together(
    seed: int, latency_seconds: float, jitter: float
) -> None:
    """A far source's answers come in bursts: a rate that is measured across one or none of them means nothing."""
    rng = random.Random(seed)
    clock, ended = [0.0], [0]
    throttle = Throttle(256, lambda: (ended[0] * 100_000, 0), clock=lambda: clock[0])
    under_way: list[float] = []
    for _ in range(4000):
        while len(under_way) < throttle.limit:
            heapq.heappush(under_way, clock[0] + latency_seconds * (1 + jitter * rng.random()))
        clock[0] = heapq.heappop(under_way)
        ended[0] += 1
        throttle.measure(was_binding=True)
    assert throttle.limit == 256
