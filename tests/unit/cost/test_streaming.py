"""What a streamed training is forecast to read and take: when its window keeps, how much, and what bounds the rate."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from penstock.cost import load_prices
from penstock.cost.forecasting import Demand, Link, Market, Node, Places, Way
from penstock.cost.forecasting.streaming import Keeping, fetch_rate, first_seconds, in_turns, keeping_in, streamed
from penstock.cost.forecasting.ways import Store, cost_of

MB = 10**6
SMALL = Demand(epoch_bytes=100 * MB, epoch_requests=1000, pages=1, num_objects=1000, epochs=5, compute_seconds=1.0)
"""100 MB of samples of 100 kB."""
LONG = replace(SMALL, epoch_bytes=1e6 * MB, epoch_requests=1e7, compute_seconds=36_000.0)


def keeping(window: float, demand: Demand = SMALL, *, rate: float = 20 * MB, late: float = 0.0) -> Keeping:
    return keeping_in(window, demand, rate=rate, latency_seconds=late, kept_share=0.87)


def test_a_window_that_holds_everything_keeps_from_the_first_byte_on() -> None:
    assert keeping(100 * MB / 0.87) == Keeping(kept_bytes=100 * MB)
    assert streamed(SMALL, keeping(200 * MB), rate=20 * MB).times == pytest.approx(1)
    assert keeping(0) == Keeping(kept_bytes=0)


def test_a_window_no_smaller_than_an_epoch_keeps_what_it_can_from_the_first_byte_on() -> None:
    """However far and slow the source is; of what it holds whole, all."""
    assert keeping(100 * MB, late=0.1) == Keeping(kept_bytes=pytest.approx(87 * MB))
    assert keeping(99 * MB, late=0.1).begins_bytes > 100 * MB
    cut = replace(SMALL, largest_bytes=100_000)
    assert keeping(100 * MB, cut, late=0.1) == Keeping(kept_bytes=pytest.approx(87 * MB, rel=0.01))
    assert keeping(110 * MB, cut, late=0.1) == Keeping(kept_bytes=100 * MB)


def test_a_source_that_answers_at_once_is_kept_of_in_the_first_epoch() -> None:
    found = keeping(40 * MB, rate=1000 * MB)
    assert found.kept_bytes == pytest.approx(0.87 * 40 * MB)
    assert found.begins_bytes < 100 * MB
    assert streamed(SMALL, found, rate=1000 * MB).times == pytest.approx(5 - 4 * 0.348)


def test_of_a_slow_link_it_keeps_once_its_rate_was_watched() -> None:
    """10 intervals at 20 MB/s after 40 MB came, each half a wave of 80 samples late, which come together.

    40 MB are promised by then, and some twice.
    """
    found = keeping(40 * MB)
    assert 0 < found.kept_bytes < 0.87 * 40 * MB
    streaming = 40 * MB - found.kept_bytes
    assert found.begins_bytes == pytest.approx((2 + 5 + 10 * 0.25 / 2) * 20 * MB + 40 * MB + streaming)
    told = streamed(SMALL, found, rate=20 * MB)
    first = 300 * MB - found.begins_bytes
    assert told.times == pytest.approx(5 - (min(first, found.kept_bytes) + found.kept_bytes) / (100 * MB))
    assert told.seconds == pytest.approx(told.times * 5)


def test_of_a_training_slower_than_its_link_it_keeps_by_what_was_trained_on() -> None:
    """10 MB/s of it for the 7 s that 40 MB and the watching take, and 40 MB lie ready: no more is promised."""
    slow = replace(SMALL, compute_seconds=10.0)
    found = keeping(40 * MB, slow)
    streaming = 40 * MB - found.kept_bytes
    assert found.begins_bytes == pytest.approx(70 * MB + 40 * MB + streaming, rel=0.01)
    assert streamed(slow, found, rate=20 * MB).times == pytest.approx(5 - 3 * found.kept_bytes / (100 * MB))


def test_a_long_run_hardly_notices() -> None:
    told = streamed(LONG, keeping(1e5 * MB, LONG), rate=20 * MB)
    assert told.times == pytest.approx(5 - 4 * 0.087, rel=1e-3)


def test_slots_hold_whole_samples_so_that_less_is_promised_than_the_window_has() -> None:
    """47 slots of some 830 KiB hold eight samples of 100 kB, of which each interval waits for half of one more."""
    slow = replace(SMALL, compute_seconds=10.0, largest_bytes=100_000)
    found = keeping(40 * MB, slow)
    assert found.begins_bytes == pytest.approx(74 * MB + 37.6 * MB * (2 - found.kept_bytes / (40 * MB)))


def test_large_samples_leave_nothing_to_keep_of_a_small_window() -> None:
    large = replace(SMALL, epoch_requests=25)
    assert keeping(80 * MB, large).kept_bytes == 0
    assert streamed(large, keeping(80 * MB, large), rate=20 * MB).times == pytest.approx(5)


def test_a_window_that_would_hold_all_must_stream_large_samples_too() -> None:
    large = replace(SMALL, epoch_requests=50, largest_bytes=2 * MB)
    assert keeping(120 * MB, replace(large, largest_bytes=0)).kept_bytes == 100 * MB
    assert keeping(120 * MB, large).kept_bytes < 100 * MB
    assert keeping(200 * MB, large) == Keeping(kept_bytes=100 * MB)
    assert keeping(1 * MB, large).kept_bytes == 0


def test_what_is_kept_in_the_midst_of_an_epoch_is_filled_in_the_next() -> None:
    """It begins at 0.8 of the second epoch: 20 MB of 60 are kept in it, 40 in the third."""
    told = streamed(SMALL, Keeping(kept_bytes=60 * MB, begins_bytes=180 * MB), rate=20 * MB)
    assert told.times == pytest.approx(1 + 1 + 0.8 + 0.4 + 0.4)
    late = streamed(SMALL, Keeping(kept_bytes=60 * MB, begins_bytes=1000 * MB), rate=20 * MB)
    assert late.times == pytest.approx(5)


def test_a_cache_keeps_from_the_first_byte_on() -> None:
    link, node = Link(bytes_per_second=20 * MB, latency_seconds=0.03), Node(name="", usd_per_hour=None)
    market, way = Market(prices=load_prices(), tariff=None), Way(name="window", told="", window_bytes=50 * MB)
    places = Places(window_bytes=50 * MB, keeps_at_once=True)
    assert cost_of(way, SMALL, link, node, places, market).moved_bytes == pytest.approx(100 * MB * (5 - 4 * 0.435))
    window = cost_of(way, SMALL, link, node, replace(places, keeps_at_once=False), market)
    assert window.moved_bytes > 100 * MB * (5 - 2 * 0.435)


def test_an_epoch_takes_the_longer_of_its_computing_and_its_bytes() -> None:
    told = streamed(replace(SMALL, compute_seconds=3.0), Keeping(kept_bytes=60 * MB), rate=20 * MB)
    assert told.seconds == pytest.approx(5 + 4 * 3)


def test_computing_waits_for_the_first_samples_which_share_the_link() -> None:
    """32 of 1 MB over 20 MB/s come together after 1.6 s; where the link is the limit that is in its time."""
    large, link = replace(SMALL, epoch_requests=100), Link(bytes_per_second=20 * MB, latency_seconds=0.1)
    first = first_seconds(large, link, rate=20 * MB, window_bytes=0)
    assert first == pytest.approx(0.1 + 1.6)
    assert first_seconds(large, link, rate=20 * MB, window_bytes=10 * MB) == pytest.approx(0.1 + 0.5)
    nothing = Keeping(kept_bytes=0)
    busy = replace(large, compute_seconds=10.0)
    assert streamed(busy, nothing, rate=20 * MB, first=first).seconds == pytest.approx(50 + first)
    assert streamed(large, nothing, rate=20 * MB, first=first).seconds == pytest.approx(25)


def test_the_latency_of_requests_and_the_heads_of_answers_bound_the_rate() -> None:
    link = Link(bytes_per_second=1000 * MB, latency_seconds=0.1)
    assert fetch_rate(SMALL, link) == (pytest.approx(512 * MB), "the source's latency")
    assert fetch_rate(SMALL, replace(link, latency_seconds=0.0)) == (1000 * MB, "the link")
    assert fetch_rate(SMALL, link, 5 * MB) == (5 * MB, "the node's network")
    assert fetch_rate(SMALL, link, window_bytes=10 * MB) == (pytest.approx(100 * MB), "the window's room")
    heads = Link(bytes_per_second=20 * MB, head_bytes=400)
    assert fetch_rate(replace(SMALL, epoch_requests=10_000), heads)[0] == pytest.approx(20 * MB / 1.04)
    assert math.isinf(fetch_rate(SMALL, Link(bytes_per_second=math.inf))[0])


def test_what_is_kept_on_a_disk_comes_at_that_disks_rate() -> None:
    """Half of 1 TB on a disk of 100 MB/s: 5,000 s of an epoch that computes for 3,600 s, and the first writes it."""
    busy = replace(LONG, compute_seconds=3600.0)
    half = Keeping(kept_bytes=5e5 * MB)
    assert streamed(busy, half, rate=1000 * MB).seconds == pytest.approx(5 * 3600)
    told = streamed(busy, half, rate=1000 * MB, disk_rate=100 * MB)
    assert told.seconds == pytest.approx(5 * 5000)
    assert told.times == pytest.approx(1 + 4 * 0.5)
    late = replace(half, begins_bytes=1.5e6 * MB)  # half is kept of the second epoch's second half
    assert streamed(busy, late, rate=1000 * MB, disk_rate=100 * MB).seconds == pytest.approx(3600 + 4 * 5000)


def test_parts_that_are_read_several_times_come_at_the_rate_of_the_disk_that_they_lie_on() -> None:
    """Two passes over 1 TB are 2 TB of a disk of 100 MB/s, which is 20,000 s, where computing takes 7,200 s."""
    busy = replace(LONG, compute_seconds=3600.0, epochs=4)
    assert in_turns(busy, passes=2, rate=1000 * MB).seconds == pytest.approx(2 * 7200)
    assert in_turns(busy, passes=2, rate=1000 * MB, disk_rate=100 * MB).seconds == pytest.approx(2 * 20_000)
    half = replace(busy, done_share=0.5)
    assert in_turns(half, passes=2, rate=1000 * MB, disk_rate=100 * MB).seconds == pytest.approx(20_000)
    link, node = Link(bytes_per_second=1000 * MB), Node(name="", usd_per_hour=None)
    volume = Store(item="ebs-gp3", bytes_per_second=100 * MB)
    way = Way(name="repeat-2", told="", window_bytes=1e5 * MB, window_store=volume, passes=2)
    found = cost_of(way, busy, link, node, Places(window_bytes=1e5 * MB), Market(prices=load_prices(), tariff=None))
    assert found.wall_seconds == pytest.approx(40_000)
