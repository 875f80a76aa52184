from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.records import TimelineInterval, joined_in_pairs
from penstock.records.timeline import MAX_INTERVALS

SUMS = ("busy_seconds", "stall_seconds", "valid_seconds", "save_seconds", "samples", "sample_bytes", "downloaded_bytes")


def _intervals(counts: list[int], *, gap: float = 5.0) -> list[TimelineInterval]:
    """Return attempts of so many intervals of 2 s each, with gaps between the attempts."""
    found, at = [], 0.0
    for attempt, count in enumerate(counts):
        for number in range(count):
            found.append(
                TimelineInterval(
                    attempt=attempt,
                    start_seconds=at,
                    end_seconds=at + 2,
                    busy_seconds=1.0,
                    stall_seconds=0.5,
                    samples=number,
                    sample_bytes=3 * number,
                    window_bytes=number,
                    cpu_seconds=4.0,
                    gpu_share=0.25 if number % 2 else 0.75,
                )
            )
            at += 2
        at += gap
    return found


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8))
def test_joining_loses_nothing_and_makes_few(counts: list[int]) -> None:
    whole = _intervals(counts)
    joined = joined_in_pairs(whole)
    assert len(joined) < MAX_INTERVALS
    for name in SUMS:
        assert sum(getattr(each, name) for each in joined) == pytest.approx(sum(getattr(each, name) for each in whole))
    assert all(one.end_seconds <= two.start_seconds for one, two in itertools.pairwise(joined))
    assert max((each.window_bytes or 0 for each in joined), default=0) == max(
        (each.window_bytes or 0 for each in whole), default=0
    )
    if whole:
        assert (joined[0].start_seconds, joined[-1].end_seconds) == (whole[0].start_seconds, whole[-1].end_seconds)


def test_attempts_stay_apart_as_long_as_there_is_room() -> None:
    joined = joined_in_pairs(_intervals([5, 3]))
    assert [(each.attempt, each.seconds) for each in joined] == [(0, 4), (0, 4), (0, 2), (1, 4), (1, 2)]
    assert joined[0].other_seconds == pytest.approx(1.0)
    assert joined[0].gpu_share == pytest.approx(0.5)
    assert joined[0].memory_bytes is None


def test_very_many_attempts_are_joined_with_what_lay_between() -> None:
    joined = joined_in_pairs(_intervals([1] * 1000))
    assert len(joined) < MAX_INTERVALS
    assert sum(each.other_seconds for each in joined) > 1000 * 0.5
