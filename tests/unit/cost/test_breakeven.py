from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cost.breakeven import rate_without_stall, window_without_stall
from penstock.cost.measured_feed import feed_of
from penstock.records import Meters
from support.runs import make_list_step, make_run

GB = 10**9


def test_rate_and_window_without_stall_by_hand() -> None:
    assert rate_without_stall(300 * GB, 100.0) == 3 * GB
    assert rate_without_stall(300 * GB, 0.0) == math.inf
    assert window_without_stall(300 * GB, GB, 100.0) == 200 * GB
    assert window_without_stall(50 * GB, GB, 100.0) == 0


@given(size=st.floats(1e6, 1e13), rate=st.floats(1e6, 1e10), computed=st.floats(0.1, 1e5))
def test_window_without_stall_leaves_no_stall(size: float, rate: float, computed: float) -> None:
    moved = size - window_without_stall(size, rate, computed)
    assert moved / rate - computed <= 1e-6 * (computed + 1)


def test_a_run_is_judged_by_measured_figures() -> None:
    meters = Meters(
        bytes_downloaded=3400, sample_bytes=4000, reused_bytes=600, window_bytes=500, window_high_water_bytes=400
    )
    run = make_run(num_epochs=4, meters=meters)
    step = make_list_step(step="prefetch", details={"rate_bytes_per_second": 2000.0})
    feed = feed_of(run, steps=[step])
    assert feed is not None
    assert feed.rate_is_measured
    assert (feed.epoch_bytes, feed.rate_bytes_per_second, feed.moved_bytes) == (1000, 2000, 3400)
    assert feed.kept_bytes == 200  # 600 in three epochs
    assert feed.wall_seconds == pytest.approx(run.compute_seconds + 4 * 0.9 + run.stall_seconds)


def test_nothing_is_told_where_nothing_was_measured() -> None:
    assert feed_of(make_run(meters=Meters()), steps=[]) is None
