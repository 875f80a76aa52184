"""What a long run comes to, of which a part was gone through: the rest is like what has settled by then.

An epoch in which nothing more began to stay in the window is like those that follow. Where none was passed to its end,
the formulas are taken, at the rate that the part was seen to get, and with the window as it was divided.
"""

from __future__ import annotations

import math
from dataclasses import replace

from penstock.cost.forecasting.inputs import Demand
from penstock.cost.forecasting.replay import Mark, Replayed
from penstock.cost.forecasting.streaming import Keeping, Streamed, streamed

__all__ = ["prolonged", "streamed_like"]

WARM_SHARE = 0.5
"""Of what was passed, that says nothing of its rate: requests in flight become more by then, and packs larger."""
WAITED_SHARE = 0.01
"""More than its computing, that a part takes that waits for its bytes."""


def prolonged(gone: Replayed, demand: Demand) -> Streamed | None:
    """Return what all epochs take, by those that are like the rest; None where none of these was gone through."""
    if gone.is_whole:
        return _streamed(demand, gone.seconds, gone.read_bytes, gone.requests)
    settled = [each for each in gone.epochs if each.is_settled]
    if not settled:
        return None
    left = (demand.epochs - len(gone.epochs)) / len(settled)
    counted = [(1.0, each) for each in gone.epochs] + [(left, each) for each in settled]
    return _streamed(
        demand,
        math.fsum(times * each.seconds for times, each in counted),
        math.fsum(times * each.read_bytes for times, each in counted),
        math.fsum(times * each.requests for times, each in counted),
    )


def streamed_like(gone: Replayed, demand: Demand, keeping: Keeping, *, rate: float) -> Streamed:
    """Return what all epochs take: those that were gone through, and the rest at the rate that they got.

    Args:
        keeping: of the window.
        rate: bytes a second, that there are at most.
    """
    warm, last = _stretch(gone.marks)
    rate = min(rate, _rate(demand, warm, last) or rate)
    rest = _rest(gone, demand, keeping, rate=rate)
    late = last.seconds - max(last.work * demand.busy_seconds, last.share * demand.epoch_bytes / rate)
    passed = _streamed(
        demand,
        math.fsum(each.seconds for each in gone.epochs) if gone.epochs else max(0.0, late),
        sum(each.read_bytes for each in gone.epochs),
        sum(each.requests for each in gone.epochs),
    )
    return Streamed(
        seconds=passed.seconds + rest.seconds,
        times=passed.times + rest.times,
        request_times=passed.request_times + rest.request_times,
    )


def _streamed(demand: Demand, seconds: float, read_bytes: float, requests: float) -> Streamed:
    return Streamed(
        seconds=seconds, times=read_bytes / demand.epoch_bytes, request_times=requests / demand.epoch_requests
    )


def _rest(gone: Replayed, demand: Demand, keeping: Keeping, *, rate: float) -> Streamed:
    """Return what the epochs take that were not gone through."""
    size, passed = demand.epoch_bytes, len(gone.epochs)
    later = replace(demand, epochs=demand.epochs - passed)
    begins = keeping.begins_bytes - passed * size
    if not passed or begins >= 0 or not keeping.kept_bytes:
        return streamed(later, replace(keeping, begins_bytes=max(0.0, begins)), rate=rate)
    kept, kept_requests = _kept(gone)
    most = max(kept, keeping.kept_bytes)
    each_requests = kept_requests / kept if kept else demand.epoch_requests / size
    found = [(1, kept), (later.epochs - 1, most)]
    return _streamed(
        demand,
        math.fsum(number * max(demand.busy_seconds, (size - there) / rate) for number, there in found),
        math.fsum(number * (size - there) for number, there in found),
        math.fsum(number * (demand.epoch_requests - there * each_requests) for number, there in found),
    )


def _kept(gone: Replayed) -> tuple[int, int]:
    """Return the bytes that stay in the window by the end of what was gone through, and the requests for them."""
    return sum(each.kept_bytes for each in gone.epochs), sum(each.kept_requests for each in gone.epochs)


def _stretch(marks: tuple[Mark, ...]) -> tuple[Mark, Mark]:
    """Return where what is like the rest begins and ends."""
    none = Mark(share=0.0, work=0.0, seconds=0.0)
    last = marks[-1] if marks else none
    return next((each for each in marks if each.share >= WARM_SHARE * last.share), none), last


def _rate(demand: Demand, warm: Mark, last: Mark) -> float | None:
    """Return the bytes a second that it waited for; None where it computed all the time."""
    seconds, computed = last.seconds - warm.seconds, (last.work - warm.work) * demand.busy_seconds
    if not seconds or seconds <= (1 + WAITED_SHARE) * computed:
        return None
    return (last.share - warm.share) * demand.epoch_bytes / seconds
