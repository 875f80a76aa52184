"""How a window is divided: reading ahead has what it can use, the rest is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.window.dividing import FEWEST_INTERVALS, INTERVAL_SECONDS, Gauge, divide_at_first, divide_by_rate

MIB = 1 << 20
rooms = st.integers(1 * MIB, 1 << 40)
shares = st.floats(0, 0.9)
seconds = st.floats(0, 10)


@given(rooms, shares, seconds)
def test_division_at_first_keeps_within_its_bounds_and_less_for_a_farther_source(
    room: int, share: float, latency: float
) -> None:
    keepable = int(room * share)
    near = divide_at_first(room, keepable_bytes=keepable, latency_seconds=latency)
    far = divide_at_first(room, keepable_bytes=keepable, latency_seconds=latency * 2)
    assert 0 <= far.kept_bytes <= near.kept_bytes <= keepable
    assert near.kept_bytes == 0 or near.kept_bytes + near.ahead_bytes <= room + 1


@given(rooms, shares, seconds, st.floats(0, 1e11), st.floats(0, 1e10))
def test_division_by_rate_leaves_what_the_rate_needs(
    room: int, share: float, latency: float, rate: float, in_flight: float
) -> None:
    keepable = int(room * share)
    found = divide_by_rate(
        room, keepable_bytes=keepable, latency_seconds=latency, bytes_per_second=rate, in_flight_bytes=in_flight
    )
    assert 0 <= found.kept_bytes <= keepable
    if found.kept_bytes:
        assert room - found.kept_bytes >= max(rate * latency, in_flight) - 1


@given(st.integers(8 * MIB, 1 << 36), st.floats(0.01, 1.0))
def test_window_that_is_what_limits_the_stream_keeps_nothing(room: int, latency: float) -> None:
    """Its rate is what is in flight by the time that takes."""
    rate = 0.5 * room / latency
    found = divide_by_rate(
        room, keepable_bytes=int(0.87 * room), latency_seconds=latency, bytes_per_second=rate, in_flight_bytes=0
    )
    assert found.kept_bytes == 0


def test_slow_link_far_away_keeps_most_and_a_near_source_all_that_may_be() -> None:
    slow = divide_by_rate(
        64 * MIB, keepable_bytes=55 * MIB, latency_seconds=0.1, bytes_per_second=5e6, in_flight_bytes=3e6
    )
    assert slow.kept_bytes == 55 * MIB
    assert divide_at_first(64 * MIB, keepable_bytes=55 * MIB, latency_seconds=0.001).kept_bytes == 55 * MIB
    assert divide_at_first(64 * MIB, keepable_bytes=55 * MIB, latency_seconds=0.1).kept_bytes == 0


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
