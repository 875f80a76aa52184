"""The rate that channels of a recording are read at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["at_commonest_rate"]


def at_commonest_rate(channels: Iterable[int], rates: Sequence[float]) -> tuple[int, ...]:
    """Return the channels that are at the rate that most of them are at; of two equally common ones at the higher.

    Args:
        channels: their numbers, of which there is one at least.
        rates: of all channels, in samples a second, or of a record.
    """
    chosen = tuple(channels)
    counts = Counter(rates[channel] for channel in chosen)
    commonest = max(counts, key=lambda rate: (counts[rate], rate))
    return tuple(channel for channel in chosen if rates[channel] == commonest)
