from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cost import Feed, Rates, breakeven_epochs
from penstock.cost.breakeven import (
    download_usd,
    epoch_stall_seconds,
    epoch_wall_seconds,
    rate_without_stall,
    stream_usd,
    window_without_stall,
)
from penstock.cost.download_first import compare_with_download
from penstock.records import Meters
from support.runs import make_list_step, make_run

GB = 10**9


def test_wall_and_stall_of_an_epoch_by_hand() -> None:
    assert epoch_wall_seconds(100.0, 50 * GB, GB) == 100
    assert epoch_stall_seconds(100.0, 50 * GB, GB) == 0
    assert epoch_wall_seconds(100.0, 300 * GB, GB) == 300
    assert epoch_stall_seconds(100.0, 300 * GB, GB) == 200


def test_rate_and_window_without_stall_by_hand() -> None:
    assert rate_without_stall(300 * GB, 100.0) == 3 * GB
    assert rate_without_stall(300 * GB, 0.0) == math.inf
    assert window_without_stall(300 * GB, GB, 100.0) == 200 * GB
    assert window_without_stall(50 * GB, GB, 100.0) == 0


def test_breakeven_by_hand() -> None:
    # Streaming: 300 s an epoch. Download: 300 s, then 100 s an epoch. 1 USD/s, disk costs nothing:
    # E=1: 300 against 400; E=2: 600 against 500.
    feed = Feed(epoch_bytes=300 * GB, window_bytes=0, rate_bytes_per_second=GB, compute_seconds=100.0)
    assert breakeven_epochs(feed, Rates(node_usd_per_second=1.0)) == 2


def test_download_never_pays_where_nothing_stalls_and_transfer_is_free() -> None:
    feed = Feed(epoch_bytes=50 * GB, window_bytes=0, rate_bytes_per_second=GB, compute_seconds=100.0)
    assert breakeven_epochs(feed, Rates(node_usd_per_second=1.0)) is None


_feeds = st.builds(
    lambda size, kept, rate, seconds: Feed(
        epoch_bytes=size, window_bytes=size * kept, rate_bytes_per_second=rate, compute_seconds=seconds
    ),
    st.floats(1e6, 1e13),
    st.floats(0, 1),
    st.floats(1e6, 1e10),
    st.floats(0.1, 1e5),
)
_rates = st.builds(
    Rates,
    node_usd_per_second=st.floats(1e-5, 0.1),
    transfer_usd_per_byte=st.sampled_from([0.0, 0.02 / 2**30, 0.09 / 2**30]),
    disk_usd_per_byte_second=st.sampled_from([0.0, 0.08 / 2**30 / 720 / 3600]),
)


@given(feed=_feeds, rates=_rates)
def test_breakeven_is_where_the_costs_cross(feed: Feed, rates: Rates) -> None:
    epochs = breakeven_epochs(feed, rates)

    def gain_usd(count: int) -> float:
        return stream_usd(feed, rates, count) - download_usd(feed, rates, count)

    if epochs is None:
        assert gain_usd(10_000) <= 1e-9 * stream_usd(feed, rates, 10_000)
        return
    slack = 1e-6 * stream_usd(feed, rates, epochs)
    assert gain_usd(epochs) >= -slack
    if epochs > 1:
        assert gain_usd(epochs - 1) <= slack


@given(feed=_feeds)
def test_window_without_stall_leaves_no_stall(feed: Feed) -> None:
    keep = window_without_stall(feed.epoch_bytes, feed.rate_bytes_per_second, feed.compute_seconds)
    moved = feed.epoch_bytes - keep
    stall = epoch_stall_seconds(feed.compute_seconds, moved, feed.rate_bytes_per_second)
    assert stall <= 1e-6 * (feed.compute_seconds + 1)


def test_comparison_stands_on_measured_figures() -> None:
    run = make_run(
        num_epochs=4,
        meters=Meters(
            bytes_downloaded=3400, sample_bytes=4000, reused_bytes=600, window_bytes=500, window_high_water_bytes=400
        ),
    )
    step = make_list_step(step="prefetch", details={"rate_bytes_per_second": 2000.0})
    compared = compare_with_download(run, steps=[step])
    assert compared is not None
    assert compared.rate_is_measured
    assert compared.feed.epoch_bytes == 1000
    assert compared.feed.window_bytes == 200  # 600 in three epochs
    busy_seconds = run.compute_seconds + 4 * 0.9
    assert compared.stream_seconds == pytest.approx(busy_seconds + run.stall_seconds)


def test_nothing_is_compared_where_nothing_was_measured() -> None:
    assert compare_with_download(make_run(meters=Meters()), steps=[]) is None
