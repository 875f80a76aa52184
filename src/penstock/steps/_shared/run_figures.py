"""Whether the figures of a run's record can be true, asked before sums are made of them."""

from __future__ import annotations

from penstock.records import RunRecord

__all__ = ["TOO_LARGE", "untrue"]

TOO_LARGE = "a figure of it is too large"
_MOST_SECONDS = 1e12
"""That any run can have taken: thirty thousand years."""
_MOST = 1e300
"""Samples or bytes that sums of runs can be made of."""


def untrue(run: RunRecord) -> str:
    """Return what of a run's figures cannot be; empty where they can."""
    times = run.wall_seconds, run.stall_seconds, run.unfinished_stall_seconds
    counts = run.num_trained_samples, run.meters.sample_bytes
    if min(*times, *counts) < 0:
        return "it counts less than nothing"
    return TOO_LARGE if max(times) > _MOST_SECONDS or max(counts) > _MOST else ""
