"""What link never stalls an epoch, and what window would do on a link that does: B* and W*, as arithmetic.

Symbols: D bytes that one epoch reads; B bytes per second that the link gives; Tc seconds of compute in one epoch.
A streamed epoch takes max(Tc, bytes/B): the prefetcher works while the trainer does. What whole trainings take and
cost, and from how many epochs a download pays (E*), is of ``penstock.cost.forecasting``.
"""

from __future__ import annotations

import math

__all__ = ["rate_without_stall", "window_without_stall"]


def rate_without_stall(epoch_bytes: float, compute_seconds: float) -> float:
    """The slowest link that never stalls an epoch which moves D bytes: B* = D / Tc, in bytes per second."""
    return math.inf if compute_seconds == 0 else epoch_bytes / compute_seconds


def window_without_stall(epoch_bytes: float, rate_bytes_per_second: float, compute_seconds: float) -> float:
    """The least that the window must keep so that epochs after the first do not stall: W* = max(0, D - B Tc)."""
    return max(0.0, epoch_bytes - rate_bytes_per_second * compute_seconds)
