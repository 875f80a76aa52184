"""How a window is divided: reading ahead has what it can use, the rest is kept."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.window.dividing import (
    FEWEST_INTERVALS,
    INTERVAL_SECONDS,
    Answers,
    Division,
    Gauge,
    divide_at_first,
    divide_by_rate,
)

MIB = 1 << 20
rooms = st.integers(1 * MIB, 1 << 40)
shares = st.floats(0, 0.9)
seconds = st.floats(0, 10)


def served(taking: Callable[[random.Random], float], *, in_flight: int = 32, seconds_each: float = 0.0) -> Answers:
    """Return the answers of a source that takes so long for each range, and sends one after another."""
    rng, answers, free = random.Random(1), Answers(), 0.0
    under_way = [(taking(rng), 0.0, answers.begin()) for _ in range(in_flight)]
    heapq.heapify(under_way)
    for _ in range(800):
        ready, begun, number = heapq.heappop(under_way)
        free = now = max(ready, free) + seconds_each
        answers.end(number, now - begun, now)
        heapq.heappush(under_way, (now + taking(rng), now, answers.begin()))
    return answers


def divided(answers: Answers | None, room: int = 64 * MIB) -> Division | None:
    return divide_at_first(room, keepable_bytes=int(0.87 * room), answers=answers)


@pytest.mark.parametrize("seconds_each", [0.0, 0.0002, 0.0006])
def test_source_that_answers_at_once_leaves_all_that_may_be_to_keep(seconds_each: float) -> None:
    """However long ranges wait for one another."""
    found = divided(served(lambda rng: 0.0005 * rng.random(), seconds_each=seconds_each))
    assert found is not None
    assert found.kept_bytes == int(0.87 * 64 * MIB)
    assert divided(None) == Division(kept_bytes=int(0.87 * 64 * MIB), ahead_bytes=0)


@pytest.mark.parametrize(
    "taking",
    [
        pytest.param(lambda rng: 0.1 + 0.01 * rng.random(), id="far"),
        pytest.param(lambda rng: 0.001 if rng.random() < 0.1 else 0.1, id="some at once"),
        pytest.param(lambda rng: 0.001 if rng.random() < 0.5 else 0.1, id="half of them at once"),
        pytest.param(lambda rng: 0.1 if rng.random() < 0.1 else 0.001, id="most of them at once"),
        pytest.param(lambda rng: 0.1 * rng.random(), id="of any time"),
    ],
)
def test_source_that_is_far_or_busy_keeps_nothing_at_first(taking: Callable[[random.Random], float]) -> None:
    """A slot is free when its last range has come: order waits for the slow ones."""
    assert divided(served(taking)) is None


def test_nothing_is_kept_before_enough_has_come() -> None:
    answers = Answers()
    for number in range(100):
        answers.end(answers.begin(), 0.0001, number * 0.0001)
        assert divided(answers) is None


@given(rooms, shares, seconds, seconds, st.floats(0, 1e11), st.floats(0, 1e10))
def test_division_by_rate_leaves_what_the_rate_needs(
    room: int, share: float, least: float, more: float, rate: float, in_flight: float
) -> None:
    keepable = int(room * share)
    answers = Answers()
    answers.end(answers.begin(), least, 1.0)
    answers.end(answers.begin(), least + more, 2.0)
    found = divide_by_rate(
        room, keepable_bytes=keepable, answers=answers, bytes_per_second=rate, in_flight_bytes=in_flight
    )
    assert 0 <= found.kept_bytes <= keepable
    if found.kept_bytes:
        assert room - found.kept_bytes >= max(rate * answers.mean_seconds, in_flight) - 1


@given(st.integers(8 * MIB, 1 << 36), st.floats(0.01, 1.0))
def test_window_that_is_what_limits_the_stream_keeps_nothing(room: int, latency: float) -> None:
    """Its rate is what is in flight by the time that takes."""
    answers, rate = Answers(), 0.5 * room / latency
    answers.end(answers.begin(), latency, 1.0)
    found = divide_by_rate(
        room, keepable_bytes=int(0.87 * room), answers=answers, bytes_per_second=rate, in_flight_bytes=0
    )
    assert found.kept_bytes == 0


def test_slow_link_far_away_keeps_most() -> None:
    answers = Answers()
    answers.end(answers.begin(), 0.1, 1.0)
    slow = divide_by_rate(64 * MIB, keepable_bytes=55 * MIB, answers=answers, bytes_per_second=5e6, in_flight_bytes=3e6)
    assert slow.kept_bytes == 55 * MIB


def test_rate_is_the_highest_once_the_window_has_been_full() -> None:
    gauge = Gauge(1000)
    assert gauge.measure(0.0, 999) is None
    now, received = 0.0, 1000
    for step in range(FEWEST_INTERVALS + 1):
        found = gauge.measure(now, received)
        assert (found is None) == (step < FEWEST_INTERVALS)
        now += INTERVAL_SECONDS
        received += 50 if step == 1 else 10
    assert found == 50 / INTERVAL_SECONDS
    assert Gauge(0).measure(5.0, 0) is None
