"""What link never stalls an epoch, and what window would do on a link that does: B* and W*, as arithmetic.

Symbols: D bytes that one epoch reads; B bytes per second that the link gives; Tc seconds of compute in one epoch.
A streamed epoch takes max(Tc, bytes/B): the prefetcher works while the trainer does. What whole trainings take and
cost, and from how many epochs a download pays (E*), is of ``penstock.cost.forecasting``.
"""

from __future__ import annotations

import math

from penstock.cost.given import check_number

__all__ = ["rate_without_stall", "window_without_stall"]


def rate_without_stall(epoch_bytes: float, compute_seconds: float) -> float:
    """The slowest link that never stalls an epoch which moves D bytes: B* = D / Tc, in bytes per second.

    Raises:
        ConfigError: one of them is no number.
    """
    check_number(epoch_bytes, "epoch_bytes", most=math.inf)
    check_number(compute_seconds, "compute_seconds", most=math.inf)
    return math.inf if compute_seconds == 0 else epoch_bytes / compute_seconds


def window_without_stall(epoch_bytes: float, rate_bytes_per_second: float, compute_seconds: float) -> float:
    """The least that the window must keep so that epochs after the first do not stall: W* = max(0, D - B Tc).

    Raises:
        ConfigError: one of them is no number.
    """
    check_number(epoch_bytes, "epoch_bytes", most=math.inf)
    check_number(rate_bytes_per_second, "rate_bytes_per_second", most=math.inf)
    check_number(compute_seconds, "compute_seconds", most=math.inf)
    return max(0.0, epoch_bytes - rate_bytes_per_second * compute_seconds)
