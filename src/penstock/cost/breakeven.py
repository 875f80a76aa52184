"""Streaming against downloading first: wall time, stall and the break-evens, as arithmetic.

Symbols: D bytes that one epoch reads; W bytes of them that the window keeps from one epoch to the next;
B bytes per second that the link gives; Tc seconds of compute in one epoch; E epochs.

A streamed epoch takes max(Tc, bytes/B): the prefetcher works while the trainer does. The first one moves D
bytes and each later one D - W. A download takes D/B during which the node waits, and then each epoch Tc.
Nothing here is measured and nothing is assumed about prices: all of it is arguments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = [
    "Feed",
    "Rates",
    "breakeven_epochs",
    "download_seconds",
    "download_usd",
    "epoch_stall_seconds",
    "epoch_wall_seconds",
    "rate_without_stall",
    "stream_seconds",
    "stream_usd",
    "window_without_stall",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """One training's demand and its link.

    Attributes:
        epoch_bytes: D, bytes that one epoch reads.
        window_bytes: W, bytes that the window keeps for the next epoch, at most D; 0 keeps nothing.
        rate_bytes_per_second: B, more than 0.
        compute_seconds: Tc of one epoch.
    """

    epoch_bytes: float
    window_bytes: float
    rate_bytes_per_second: float
    compute_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """What time, bytes and room cost.

    Attributes:
        node_usd_per_second: of all nodes together.
        transfer_usd_per_byte: what one more byte from the source costs.
        disk_usd_per_byte_second: what one byte of disk costs for one second.
    """

    node_usd_per_second: float = 0.0
    transfer_usd_per_byte: float = 0.0
    disk_usd_per_byte_second: float = 0.0


def epoch_wall_seconds(compute_seconds: float, moved_bytes: float, rate_bytes_per_second: float) -> float:
    """Wall time of a streamed epoch: wall = max(compute, bytes/rate)."""
    return max(compute_seconds, moved_bytes / rate_bytes_per_second)


def epoch_stall_seconds(compute_seconds: float, moved_bytes: float, rate_bytes_per_second: float) -> float:
    """Stall of a streamed epoch: stall = wall - compute."""
    return epoch_wall_seconds(compute_seconds, moved_bytes, rate_bytes_per_second) - compute_seconds


def rate_without_stall(epoch_bytes: float, compute_seconds: float) -> float:
    """The slowest link that never stalls an epoch which moves D bytes: B* = D / Tc, in bytes per second."""
    return math.inf if compute_seconds == 0 else epoch_bytes / compute_seconds


def window_without_stall(epoch_bytes: float, rate_bytes_per_second: float, compute_seconds: float) -> float:
    """The least that the window must keep so that epochs after the first do not stall: W* = max(0, D - B Tc)."""
    return max(0.0, epoch_bytes - rate_bytes_per_second * compute_seconds)


def stream_seconds(feed: Feed, epochs: int) -> float:
    """Wall time of E streamed epochs: max(Tc, D/B) + (E - 1) max(Tc, (D - W)/B)."""
    first, later = _stream_epochs(feed)
    return first + (epochs - 1) * later


def download_seconds(feed: Feed, epochs: int) -> float:
    """Wall time of a download and E epochs on it: D/B + E Tc."""
    return feed.epoch_bytes / feed.rate_bytes_per_second + epochs * feed.compute_seconds


def stream_usd(feed: Feed, rates: Rates, epochs: int) -> float:
    """Cost of E streamed epochs: their wall time of nodes and of W of disk, and D + (E - 1)(D - W) of transfer."""
    moved_bytes = feed.epoch_bytes + (epochs - 1) * (feed.epoch_bytes - feed.window_bytes)
    second_usd = rates.node_usd_per_second + rates.disk_usd_per_byte_second * feed.window_bytes
    return second_usd * stream_seconds(feed, epochs) + rates.transfer_usd_per_byte * moved_bytes


def download_usd(feed: Feed, rates: Rates, epochs: int) -> float:
    """Cost of a download and E epochs: their wall time of nodes and of D of disk, and D of transfer."""
    second_usd = rates.node_usd_per_second + rates.disk_usd_per_byte_second * feed.epoch_bytes
    return second_usd * download_seconds(feed, epochs) + rates.transfer_usd_per_byte * feed.epoch_bytes


def breakeven_epochs(feed: Feed, rates: Rates) -> int | None:
    """Epochs from which downloading first costs no more than streaming: E*, or None where it never does.

    Both costs are straight lines in E, so with s(E) = stream_usd and d(E) = download_usd
    E* = 1 + ceil((d(1) - s(1)) / ((s(2) - s(1)) - (d(2) - d(1)))), and 1 where d(1) <= s(1).
    """
    behind_usd = download_usd(feed, rates, 1) - stream_usd(feed, rates, 1)
    if behind_usd <= 0:
        return 1
    stream_step = stream_usd(feed, rates, 2) - stream_usd(feed, rates, 1)
    download_step = download_usd(feed, rates, 2) - download_usd(feed, rates, 1)
    gain_usd = stream_step - download_step
    if gain_usd <= 0 or not math.isfinite(epochs := behind_usd / gain_usd):
        return None
    return 1 + math.ceil(epochs)


def _stream_epochs(feed: Feed) -> tuple[float, float]:
    """Return wall seconds of the first and of each later streamed epoch."""
    first = epoch_wall_seconds(feed.compute_seconds, feed.epoch_bytes, feed.rate_bytes_per_second)
    kept_away = feed.epoch_bytes - feed.window_bytes
    return first, epoch_wall_seconds(feed.compute_seconds, kept_away, feed.rate_bytes_per_second)
