"""How a window is divided between reading ahead and keeping: what reading ahead can use comes first.

A stream goes no faster than what is in flight by the time that takes (Little's law): of a link of B bytes a second and
a source that answers after L seconds, B x L bytes must be in flight, and as many again lie ready or are being read. A
window that keeps so much that less is left makes every epoch slower, whatever it saves.

So all of the window is read ahead into at first. A source that answers at once needs next to nothing in flight, and as
much as can be is kept from the first samples on. Of one that is further away, what it takes is seen once the window has
been full: the ranges in flight that paid (``penstock.window.concurrency``) by their size, and the rate, which the
window, the link or the trainer limits, by the time of an answer. What is left then is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.units import MIB

__all__ = ["Division", "Gauge", "divide_at_first", "divide_by_rate"]

HIGHEST_RATE = 1000 * MIB
"""Bytes a second that a link is taken to be able to do before anything is known of it."""
NEAR_SECONDS = 0.003
"""Time of an answer below which the CPU is what limits, however little is in flight."""
MARGIN = 4
"""A rate that was seen may be a trainer's or a link's that had a slow moment, and giving back is not possible."""
LEAST_SHARE = 1 / 16
"""Of the window, below which keeping is not worth its index."""
INTERVAL_SECONDS = 0.5
FEWEST_INTERVALS = 10
"""Moments in which a source or a trainer is slow pass; what is kept stays so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Division:
    """A window's division, and why it is so.

    Attributes:
        kept_bytes: size of the kept part; 0 keeps nothing.
        ahead_bytes: what reading ahead was found to need.
    """

    kept_bytes: int
    ahead_bytes: int


def divide_at_first(room_bytes: int, *, keepable_bytes: int, latency_seconds: float) -> Division:
    """Divide a window's room by nothing but how soon the first answers came.

    Args:
        room_bytes: slots and kept part together.
        keepable_bytes: the most that may be kept, so that a batch and some more can always be had.
        latency_seconds: the shortest time from a request to its last byte.
    """
    return _divide(room_bytes, keepable_bytes, MARGIN * HIGHEST_RATE * max(0.0, latency_seconds - NEAR_SECONDS))


def divide_by_rate(
    room_bytes: int, *, keepable_bytes: int, latency_seconds: float, bytes_per_second: float, in_flight_bytes: float
) -> Division:
    """Divide a window's room by what the stream was seen to do.

    Args:
        room_bytes: slots and kept part together.
        keepable_bytes: the most that may be kept.
        latency_seconds: the shortest time from a request to its last byte.
        bytes_per_second: the highest rate that was seen once the window had been full.
        in_flight_bytes: of the ranges that are requested at a time.
    """
    return _divide(room_bytes, keepable_bytes, max(MARGIN * bytes_per_second * latency_seconds, in_flight_bytes))


def _divide(room_bytes: int, keepable_bytes: int, ahead_bytes: float) -> Division:
    kept_bytes = max(0, int(min(keepable_bytes, room_bytes - ahead_bytes)))
    worth = kept_bytes >= LEAST_SHARE * room_bytes
    return Division(kept_bytes=kept_bytes if worth else 0, ahead_bytes=int(ahead_bytes))


class Gauge:
    """The highest rate of a stream, interval by interval, from when a window has been full on."""

    def __init__(self, room_bytes: int) -> None:
        self._room_bytes = room_bytes
        self._began: tuple[float, int] | None = None
        self._num_intervals = 0
        self._highest = 0.0

    def measure(self, now: float, received_bytes: int) -> float | None:
        """Take what was received by now into account; give the rate once it is known.

        Args:
            now: seconds of any clock.
            received_bytes: since the stream began.
        """
        if received_bytes < self._room_bytes:
            return None
        if self._began is None:
            self._began = (now, received_bytes)
        began, before = self._began
        if now >= began + INTERVAL_SECONDS:
            self._began = (now, received_bytes)
            self._highest = max(self._highest, (received_bytes - before) / (now - began))
            self._num_intervals += 1
        return self._highest if self._num_intervals >= FEWEST_INTERVALS and self._highest else None
