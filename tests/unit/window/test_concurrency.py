"""Requests in flight rise while that pays, and fall when the source asks for it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.window.concurrency import LOWEST, Climber, Gate


@given(st.floats(0.001, 0.2), st.floats(1e6, 2e9), st.sampled_from([16_384, 65_536, 1_048_576]))
def test_limit_fills_the_link_without_going_far_beyond(latency_seconds: float, link: float, range_bytes: int) -> None:
    """A link of ``link`` bytes per second whose requests each take ``latency_seconds`` at least."""
    highest = 1024
    climber = Climber(highest=highest)
    for _ in range(40):
        rate = min(link, climber.limit * range_bytes / latency_seconds)
        climber.measure(rate, was_binding=True, had_failures=False)
    needed = link * latency_seconds / range_bytes
    reached = min(link, climber.limit * range_bytes / latency_seconds)
    assert reached >= 0.9 * min(link, highest * range_bytes / latency_seconds)
    assert climber.limit <= max(32 * 1.5, needed * 1.5 * 1.5) + 1


@given(st.integers(1, 500), st.lists(st.tuples(st.floats(0, 1e9), st.booleans(), st.booleans()), max_size=60))
def test_limit_stays_within_its_bounds(highest: int, seen: list[tuple[float, bool, bool]]) -> None:
    climber = Climber(highest=highest)
    for rate, binding, failures in seen:
        limit = climber.measure(rate, was_binding=binding, had_failures=failures)
        assert min(LOWEST, highest) <= limit <= highest


def test_failures_halve_the_limit() -> None:
    climber = Climber(highest=256)
    assert climber.limit == 32
    assert climber.measure(1e6, was_binding=True, had_failures=True) == 16
    assert climber.measure(1e6, was_binding=True, had_failures=True) == 8


def test_limit_that_does_not_bind_is_left_alone() -> None:
    climber = Climber(highest=256)
    assert climber.measure(1e6, was_binding=False, had_failures=False) == 32


def test_gate_lets_in_no_more_than_its_limit_and_forgets_nobody() -> None:
    async def work() -> tuple[int, int]:
        gate = Gate(5, lambda: (0, 0))
        inside = peak = done = 0

        async def one() -> None:
            nonlocal inside, peak, done
            async with gate:
                inside += 1
                peak = max(peak, inside)
                await asyncio.sleep(0.001)
                inside -= 1
                done += 1

        await asyncio.gather(*(one() for _ in range(50)))
        return peak, done

    assert asyncio.run(work()) == (5, 50)


def test_cancelled_waiters_leave_their_place() -> None:
    async def work() -> None:
        gate = Gate(1, lambda: (0, 0))

        async def hold(seconds: float) -> None:
            async with gate:
                await asyncio.sleep(seconds)

        tasks = [asyncio.create_task(hold(0.01)) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1):
            await hold(0)

    asyncio.run(work())


def test_gate_measures_what_the_meter_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.window.concurrency.INTERVAL_SECONDS", 0.001)

    async def work() -> int:
        failed = 0
        gate = Gate(64, lambda: (0, failed))
        for _ in range(3):
            failed += 1
            async with gate:
                await asyncio.sleep(0.005)
        return gate.limit

    assert asyncio.run(work()) == LOWEST
