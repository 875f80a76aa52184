"""What a stream takes: gone through where its order is known, in whole or in a part; else by formula."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from penstock.cost.forecasting.course import Course
from penstock.cost.forecasting.inputs import Demand, Link, Places
from penstock.cost.forecasting.prolonging import prolonged, streamed_like
from penstock.cost.forecasting.replay import Terms, replay
from penstock.cost.forecasting.streaming import (
    MOST_IN_FLIGHT,
    Keeping,
    Streamed,
    fetch_rate,
    first_seconds,
    in_turns,
    keeping_in,
    streamed,
)
from penstock.window.geometry import KEPT_SHARE

__all__ = ["Foreseen", "foresee"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreseen:
    """What all epochs take, and what is read once behind them.

    Attributes:
        seconds: of the epochs.
        once_seconds: of what is read once.
        times: that an epoch's bytes are read.
        request_times: that an epoch's requests are made.
    """

    seconds: float
    once_seconds: float
    times: float
    request_times: float


def foresee(
    demand: Demand,
    link: Link,
    places: Places,
    *,
    window_bytes: float,
    passes: int = 1,
    network: float = math.inf,
    disk_rate: float = math.inf,
) -> Foreseen:
    """Return what a stream takes.

    Args:
        window_bytes: 0 for a window that keeps nothing.
        passes: in a row over each part of the data.
        network: bytes a second that the node's does.
        disk_rate: the same, of the disk that the window lies on.
    """
    rate, _ = fetch_rate(demand, link, network, window_bytes=window_bytes)
    once = max(demand.once_compute_seconds, demand.once_bytes / rate)
    if passes > 1:
        return _foreseen(in_turns(demand, passes=passes, rate=rate, disk_rate=disk_rate), once)
    late, kept_share = link.latency_seconds, places.kept_share
    keeping = Keeping(kept_bytes=min(demand.epoch_bytes, window_bytes * kept_share))
    if not places.keeps_at_once:
        keeping = keeping_in(window_bytes, demand, rate=rate, latency_seconds=late, kept_share=kept_share)
    terms = _terms(demand, link, places, window_bytes=window_bytes, network=network, disk_rate=disk_rate)
    if terms is not None and demand.course is not None:
        gone = _gone(demand, demand.course, terms, keeping, rate=rate)
        if gone is not None:
            scored = None if demand.once is None else _scored(demand, demand.once, terms, rate=rate)
            return _foreseen(gone, once if scored is None else scored.seconds)
    first = first_seconds(demand, link, rate=rate, window_bytes=window_bytes)
    return _foreseen(streamed(demand, keeping, rate=rate, first=first, disk_rate=disk_rate), once)


def _foreseen(found: Streamed, once_seconds: float) -> Foreseen:
    return Foreseen(
        seconds=found.seconds, once_seconds=once_seconds, times=found.times, request_times=found.request_times
    )


def _terms(
    demand: Demand, link: Link, places: Places, *, window_bytes: float, network: float, disk_rate: float
) -> Terms | None:
    """Return what a stream is gone through on; None where what it keeps, or what it waits for, is another matter."""
    rate = min(link.bytes_per_second, network)
    is_usual = places.kept_share == KEPT_SHARE and not places.keeps_at_once and demand.done_share == 1
    if not window_bytes or not is_usual or math.isinf(rate):
        return None
    if demand.epoch_bytes / disk_rate > max(demand.busy_seconds, demand.epoch_bytes / rate):
        return None
    return Terms(
        window_bytes=int(window_bytes),
        epochs=demand.epochs,
        compute_seconds=demand.busy_seconds,
        bytes_per_second=rate,
        latency_seconds=link.latency_seconds,
        head_bytes=link.head_bytes,
        batch_extents=demand.batch_extents,
        most_in_flight=MOST_IN_FLIGHT,
    )


def _gone(demand: Demand, course: Course, terms: Terms, keeping: Keeping, *, rate: float) -> Streamed | None:
    """Return what a course takes, by as much of it as is gone through; None where it is very long, or
    the window too small for it.

    Args:
        keeping: of the window, where that is not known by then.
        rate: bytes a second, that there are at most.
    """
    gone = replay(course, terms) if course.is_passable else None
    if gone is None:
        return None
    own = replace(demand, epoch_bytes=course.epoch_bytes, epoch_requests=course.epoch_requests)
    return prolonged(gone, own) or streamed_like(gone, own, gone.keeping or keeping, rate=rate)


def _scored(demand: Demand, once: Course, terms: Terms, *, rate: float) -> Streamed | None:
    """Return what that takes which is read once."""
    seconds = demand.once_compute_seconds
    own = replace(demand, epochs=1, compute_seconds=seconds, handing_seconds=0.0)
    terms = replace(terms, epochs=1, compute_seconds=seconds)
    return _gone(own, once, terms, Keeping(kept_bytes=0.0), rate=rate)
