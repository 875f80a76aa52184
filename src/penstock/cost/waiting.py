"""The rate of a link as a run itself shows it: what came while the run waited for nothing else.

Decoding that holds a run up keeps at least one processor busy. Where a run waited for data and its processes did next
to nothing, it waited for the link, which then gave all that it could.
"""

from __future__ import annotations

from penstock.records import RunRecord, Timeline

__all__ = ["rate_of_fetching", "rate_while_waiting", "waited_for_download"]

_WAITED = 0.5
"""Of an interval's time, from which on it counts as waiting."""
_IDLE_CPUS = 0.5
"""Processors, below which nothing is decoded that could hold a run up."""
_LEAST_SECONDS = 3.0
_MOST_OF_STALL = 0.5
"""Of the time that a run waited, from which on bytes that were not there are what it waited for."""


def waited_for_download(run: RunRecord) -> bool | None:
    """Tell whether what a run waited for was mostly that bytes came; None where its window did not count that.

    Validations count: the window does not tell what it lacked for them from what it lacked for training.
    """
    stall = run.stall_seconds + run.valid_stall_seconds
    if not stall or not run.meters.fetching_microseconds:
        return None
    return run.meters.starved_microseconds / 1e6 >= _MOST_OF_STALL * stall


def rate_of_fetching(run: RunRecord) -> float:
    """Return the bytes per second of the time in which requests were under way, in all windows together."""
    seconds = min(run.meters.fetching_microseconds / 1e6, run.wall_seconds)
    return run.meters.bytes_downloaded / seconds


def rate_while_waiting(timeline: Timeline | None) -> float | None:
    """Return bytes per second; None where the run did not wait long enough, or not for the link alone."""
    intervals = timeline.intervals if timeline is not None else ()
    waited = [
        (each.cpu_seconds, each.seconds, each.downloaded_bytes)
        for each in intervals
        if each.cpu_seconds is not None and each.stall_seconds > _WAITED * each.seconds
    ]
    seconds = sum(length for _, length, _ in waited)
    moved = sum(size for _, _, size in waited)
    if seconds < _LEAST_SECONDS or not moved or sum(spent for spent, _, _ in waited) >= _IDLE_CPUS * seconds:
        return None
    return moved / seconds
