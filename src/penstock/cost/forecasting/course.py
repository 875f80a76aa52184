"""What a training reads one after the other, as its plan has it: the seed is known before the run, so the order is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.records import Order

__all__ = ["MOST_LISTED", "MOST_PASSED", "MOST_REPLAYED", "Course"]

MOST_REPLAYED = 20_000
"""Requests, of all epochs together, that are gone through one by one, within a second. Of longer runs as many are, and
the rest is taken to be like these."""
MOST_PASSED = 100_000
"""Samples, of all epochs together, for the same: of a shard that is read in order, many come in one request."""
MOST_LISTED = 100_000
"""Samples of an epoch whose manifest is written, or looked up, within a second; of more than that none is gone through:
what the formulas leave out, the first fill and epochs' borders, is next to nothing of the whole."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Course:
    """An epoch's samples, an extent each.

    Attributes:
        manifest: that the rows of the order are of.
        batch_samples: that are taken at once.
        weights: of a sample of each of the order's segments, how long it computes by the others.
        epoch_bytes: of an epoch that finds nothing in the window.
        epoch_requests: of the same.
    """

    manifest: Path
    order: Order
    batch_samples: int
    weights: tuple[float, ...]
    epoch_bytes: float
    epoch_requests: float

    @property
    def is_passable(self) -> bool:
        """Whether it is gone through at all."""
        return self.order.num_extents <= MOST_LISTED

    @property
    def work(self) -> float:
        """Of all samples of an epoch."""
        pairs = zip(self.order.segments, self.weights, strict=True)
        return sum(segment.num_samples * weight for segment, weight in pairs)

    def batches(self, epochs: int) -> Iterator[tuple[int, float]]:
        """Give the batches: before which index each ends, and its part of an epoch's work; none crosses a segment."""
        index, work = 0, self.work
        for _ in range(epochs):
            for segment, weight in zip(self.order.segments, self.weights, strict=True):
                end = index + segment.num_samples
                while index < end:
                    first, index = index, min(end, index + self.batch_samples)
                    yield index, (index - first) * weight / work
