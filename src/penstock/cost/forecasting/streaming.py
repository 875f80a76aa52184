"""How long a streamed training takes and what it reads: when a window begins to keep, how much, and what bounds it.

A window reads ahead into all of its room at first. It keeps from the first epoch on where it is no smaller than one, or
where the source answers at once; else from when it has been full and its rate was watched for a while, and then what
reading ahead leaves of it (``penstock.window.dividing``). Runs of hours hardly notice; short ones read more for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from penstock.cost.forecasting.inputs import Demand, Link
from penstock.errors import WindowTooSmall
from penstock.window.concurrency import START
from penstock.window.dividing import (
    FEWEST_INTERVALS,
    HIGHEST_RATE,
    INTERVAL_SECONDS,
    LEAST_SHARE,
    LONGEST_MEDIAN,
    LONGEST_PAUSE,
    MARGIN,
    MEAN_MARGIN,
    NEAR_SECONDS,
    TOLD_READS,
    WARM_READS,
    keeps_at_once,
)
from penstock.window.geometry import SLOT_TAIL_BYTES, plan_geometry
from penstock.window.kept import kept_area_bytes
from penstock.window.wakeup import CONNECTED_POLL_SECONDS

__all__ = [
    "BY_LATENCY",
    "BY_ROOM",
    "MOST_IN_FLIGHT",
    "Keeping",
    "Streamed",
    "fetch_rate",
    "first_seconds",
    "in_turns",
    "keeping_in",
    "streamed",
]

MOST_IN_FLIGHT = 512
"""Ranges that are requested at a time at most, unless ``--in-flight`` says otherwise."""
BY_LATENCY = "the source's latency"
"""What limits a rate where requests that wait for their answers do."""
BY_ROOM = "the window's room"
"""The same, where no more of them fit."""
USUAL_IN_FLIGHT = 2.5 * START
"""Of a link that is the limit, on average: the first doubling is made before it is known whether it pays, and others
are tried now and then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """What a window keeps.

    Attributes:
        kept_bytes: of the data, from one epoch to the next; 0 keeps nothing.
        begins_bytes: of the stream, behind which it begins.
    """

    kept_bytes: float
    begins_bytes: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Streamed:
    """What all epochs take.

    Attributes:
        seconds: of them, without what is read once behind them.
        times: that the data is read.
        request_times: that an epoch's requests are made.
    """

    seconds: float
    times: float
    request_times: float


def fetch_rate(
    demand: Demand, link: Link, network: float = math.inf, *, window_bytes: float = 0.0
) -> tuple[float, str]:
    """Return the bytes of samples a second that a source gives, and what limits them.

    As many requests as there may be at a time bring no more than that each after a latency, and a window no more than
    it has room for. Heads of answers pass beside bodies.

    Args:
        network: bytes a second that the node's does.
        window_bytes: that is streamed through; 0 for none.
    """
    request, late = demand.request_bytes, link.latency_seconds
    by_requests = MOST_IN_FLIGHT * request / late if late else math.inf
    by_room = window_bytes / late if late and window_bytes else math.inf
    limits = (
        (link.bytes_per_second, "the link"),
        (network, "the node's network"),
        (by_requests, BY_LATENCY),
        (by_room, BY_ROOM),
    )
    rate, limit = min(limits, key=lambda each: each[0])
    return rate * request / (request + link.head_bytes), limit


def first_seconds(demand: Demand, link: Link, *, rate: float, window_bytes: float) -> float:
    """Return the seconds before the first samples are there: those that are requested together share the link.

    Args:
        window_bytes: 0 for more than is requested at first.
    """
    together = min(START * demand.request_bytes, demand.epoch_bytes, window_bytes or math.inf)
    return link.latency_seconds + together / rate


def keeping_in(
    window_bytes: float, demand: Demand, *, rate: float, latency_seconds: float, kept_share: float
) -> Keeping:
    """Return what a window keeps of a demand, and from when on.

    Args:
        rate: bytes per second that the source gives at most.
        kept_share: of the window, that may keep samples; of 1, what is read ahead lies beside it.
    """
    room = window_bytes if kept_share < 1 else math.inf
    size, cut = demand.epoch_bytes, _cut(window_bytes, demand, kept_share)
    if cut.keeps_at_once:
        return Keeping(kept_bytes=cut.keepable_bytes)
    if not cut.keepable_bytes:
        return Keeping(kept_bytes=0.0)
    request = demand.request_bytes
    read = min(rate, size / demand.busy_seconds if demand.busy_seconds else math.inf)
    if math.isinf(read):
        return Keeping(kept_bytes=cut.keepable_bytes)
    if USUAL_IN_FLIGHT * request / rate + latency_seconds <= LONGEST_MEDIAN and latency_seconds <= LONGEST_PAUSE:
        ahead = MARGIN * HIGHEST_RATE * max(0.0, latency_seconds - NEAR_SECONDS)
        if kept := _worth(min(cut.keepable_bytes, room - ahead), window_bytes):
            told = (WARM_READS + TOLD_READS) * request / rate
            return _begun(told * read, kept, window_bytes, cut)
    in_flight = request * min(MOST_IN_FLIGHT, max(USUAL_IN_FLIGHT, math.ceil(rate * latency_seconds / request)))
    mean = latency_seconds + min(in_flight, window_bytes) / rate
    ahead = max(read * max(MARGIN * latency_seconds, MEAN_MARGIN * mean), in_flight)
    kept = _worth(min(cut.keepable_bytes, room - ahead), window_bytes)
    # An interval ends when something happens next: what is in flight on a link that is the limit comes together.
    next_seconds = mean if read == rate else cut.slot_bytes / read
    interval = INTERVAL_SECONDS + min(next_seconds, CONNECTED_POLL_SECONDS) / 2
    known = window_bytes / rate + FEWEST_INTERVALS * interval
    return _begun(known * read, kept, window_bytes, cut)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cut:
    """How a window is cut.

    Attributes:
        keepable_bytes: of samples, the most that it keeps.
        keeps_at_once: whether from the first byte on.
        holds_bytes: of samples, in all of its slots while it keeps none.
        slot_bytes: of samples, in each.
    """

    keepable_bytes: float
    keeps_at_once: bool
    holds_bytes: float
    slot_bytes: float = 0.0


def _cut(window_bytes: float, demand: Demand, kept_share: float) -> _Cut:
    """Return how a window is cut, as far as it is known what it is to hold."""
    size = demand.epoch_bytes
    at_once = keeps_at_once(window_bytes, epoch_bytes=size)
    keepable = min(size, window_bytes * kept_share)
    if not window_bytes or not demand.largest_bytes or kept_share == 1:
        return _Cut(keepable_bytes=keepable, keeps_at_once=at_once, holds_bytes=window_bytes)
    area = kept_area_bytes(num_extents=int(demand.epoch_requests), total_bytes=int(size))
    try:
        cut = plan_geometry(
            window_bytes=int(window_bytes),
            max_extent_bytes=int(demand.largest_bytes),
            batch_extents=demand.batch_extents,
            keep_bytes=area,
            keeps_at_once=at_once,
        )
    except WindowTooSmall:
        return _Cut(keepable_bytes=0.0, keeps_at_once=False, holds_bytes=window_bytes)
    slot = (cut.slot_bytes - SLOT_TAIL_BYTES) // demand.largest_bytes * demand.largest_bytes
    kept = cut.kept_area_bytes or cut.keepable_bytes
    return _Cut(
        keepable_bytes=min(size, size * kept / area),
        keeps_at_once=bool(cut.kept_area_bytes),
        holds_bytes=cut.num_slots * slot,
        slot_bytes=slot,
    )


def _begun(passed_bytes: float, kept_bytes: float, window_bytes: float, cut: _Cut) -> Keeping:
    """Return the keeping that is decided once a training has passed so many bytes.

    A link that is faster fills the window meanwhile. By then all of the window is promised to what comes next, and what
    is to keep has to pass first; what goes on streaming is promised once more meanwhile.
    """
    streaming = max(0.0, 1 - kept_bytes / window_bytes)
    return Keeping(kept_bytes=kept_bytes, begins_bytes=passed_bytes + cut.holds_bytes * (1 + streaming))


def _worth(kept_bytes: float, window_bytes: float) -> float:
    return kept_bytes if kept_bytes >= LEAST_SHARE * window_bytes else 0.0


def streamed(
    demand: Demand, keeping: Keeping, *, rate: float, first: float = 0.0, disk_rate: float = math.inf
) -> Streamed:
    """Return what all epochs take, each the longest of its computing, its bytes, and what its disk reads and writes.

    The epoch in which keeping begins fills what is kept with what is left of it, the next one with the rest.

    Args:
        first: seconds before the first samples are there, that computing waits for.
        disk_rate: bytes per second of the disk that kept samples are put on, and read from in each epoch after that.
    """
    size = demand.epoch_bytes
    whole, left = int(keeping.begins_bytes // size), 1 - keeping.begins_bytes % size / size
    kept = keeping.kept_bytes
    filled = min(kept, left * size)
    epochs = [  # how many, what they read from the source, what they write to the disk or read there
        (whole, size, 0.0),
        (1, size, filled),
        (1, size - filled, kept),
        (max(0, demand.epochs - whole - 2), size - kept, kept),
    ]
    computed, read_all = demand.busy_seconds, size / rate
    seconds, moved, due = max(computed + first, read_all) - max(computed, read_all), 0.0, demand.done_epochs
    for number, read, kept_there in epochs:
        taken = min(number, due)
        seconds += taken * max(computed, read / rate, kept_there / disk_rate)
        moved, due = moved + taken * read, due - taken
    return Streamed(seconds=seconds, times=moved / size, request_times=moved / size)


def in_turns(demand: Demand, *, passes: int, rate: float, disk_rate: float = math.inf) -> Streamed:
    """Return what all epochs take where each part is read once, and stays in the window for some passes over it.

    Args:
        disk_rate: bytes per second of the disk that parts are put on in their first pass, and read from in others.
    """
    read, busy = demand.epoch_bytes / rate, max(demand.busy_seconds, demand.epoch_bytes / disk_rate)
    if demand.done_share < 1:  # parts follow each other, so that what is not done is not read either
        times = demand.done_epochs / passes
        return Streamed(seconds=times * max(passes * busy, read), times=times, request_times=times)
    whole, rest = divmod(demand.epochs, passes)
    turns = [passes] * whole + [rest] * bool(rest)
    times = float(len(turns))
    return Streamed(seconds=math.fsum(max(each * busy, read) for each in turns), times=times, request_times=times)
