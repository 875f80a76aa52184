"""What a stream takes: gone through where its plan is known and it is short, else by formula."""

from __future__ import annotations

import math
from dataclasses import dataclass

from penstock.cost.forecasting.course import Course
from penstock.cost.forecasting.inputs import Demand, Link, Places
from penstock.cost.forecasting.replay import Replayed, Terms, replay
from penstock.cost.forecasting.streaming import (
    MOST_IN_FLIGHT,
    Keeping,
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
        found = in_turns(demand, passes=passes, rate=rate, disk_rate=disk_rate)
    else:
        gone = _replayed(demand, link, places, window_bytes=window_bytes, network=network, disk_rate=disk_rate)
        if gone is not None:
            return gone
        late = link.latency_seconds
        keeping = Keeping(kept_bytes=min(demand.epoch_bytes, window_bytes * places.kept_share))
        if not places.keeps_at_once:
            keeping = keeping_in(window_bytes, demand, rate=rate, latency_seconds=late, kept_share=places.kept_share)
        first = first_seconds(demand, link, rate=rate, window_bytes=window_bytes)
        found = streamed(demand, keeping, rate=rate, first=first, disk_rate=disk_rate)
    return Foreseen(seconds=found.seconds, once_seconds=once, times=found.times, request_times=found.times)


def _replayed(
    demand: Demand, link: Link, places: Places, *, window_bytes: float, network: float, disk_rate: float
) -> Foreseen | None:
    """Go through a stream; None where it is long, its plan is not known, or what it keeps another matter."""
    course = demand.course
    is_usual = places.kept_share == KEPT_SHARE and not places.keeps_at_once and demand.done_share == 1
    if course is None or not window_bytes or not is_usual:
        return None
    rate = min(link.bytes_per_second, network)
    on_disk = demand.epoch_bytes / disk_rate
    if math.isinf(rate) or not course.is_short(demand.epochs):
        return None
    if on_disk > max(demand.compute_seconds, demand.epoch_bytes / rate):
        return None

    def go(course: Course, epochs: int, compute_seconds: float) -> Replayed | None:
        terms = Terms(
            window_bytes=int(window_bytes),
            epochs=epochs,
            compute_seconds=compute_seconds,
            bytes_per_second=rate,
            latency_seconds=link.latency_seconds,
            head_bytes=link.head_bytes,
            batch_extents=demand.batch_extents,
            most_in_flight=MOST_IN_FLIGHT,
        )
        return replay(course, terms)

    found = go(course, demand.epochs, demand.compute_seconds)
    if found is None:
        return None
    is_short = demand.once is not None and demand.once.is_short(1)
    once = go(demand.once, 1, demand.once_compute_seconds) if demand.once is not None and is_short else None
    return Foreseen(
        seconds=found.seconds,
        once_seconds=once.seconds if once is not None else max(demand.once_compute_seconds, demand.once_bytes / rate),
        times=found.read_bytes / course.epoch_bytes,
        request_times=found.requests / course.epoch_requests,
    )
