"""Segments of a stream as loaders: what a training loop takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from penstock.loader.protocols import Batch, LoaderState
from penstock.records import Meters

__all__ = ["SegmentLoader", "SegmentedStream"]


class SegmentedStream(Protocol):
    """A stream that gives segments in each epoch."""

    def rank_samples(self, segment: int) -> int | None:
        """Return how many samples of a segment this rank is given in one epoch; None while that is not known."""
        ...

    def batches(self, epoch: int, segment: int) -> Iterator[Batch]:
        """Return what is left of a segment of an epoch, from the stream's position on."""
        ...

    def state_dict(self) -> LoaderState:
        """Return the stream's position."""
        ...

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved position."""
        ...

    def traffic(self) -> dict[str, Meters]:
        """Return what was requested so far in all attempts, by the ids that it is counted under."""
        ...

    def meters(self) -> Meters:
        """Return what was moved so far, ``traffic`` included."""
        ...

    def close(self) -> None:
        """Let go of the window."""
        ...


class SegmentLoader:
    """One segment of each epoch of a stream: the training data, or the validation data."""

    def __init__(self, stream: SegmentedStream, number: int) -> None:
        self._stream = stream
        self._number = number

    @property
    def num_samples(self) -> int | None:
        """Samples of the segment that this rank is given in one epoch; None while that is not known."""
        return self._stream.rank_samples(self._number)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Return what is left of the segment in an epoch."""
        return self._stream.batches(epoch, self._number)

    def state_dict(self) -> LoaderState:
        """Return the stream's position."""
        return self._stream.state_dict()

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved position of the stream."""
        self._stream.load_state_dict(state)

    def traffic(self) -> dict[str, Meters]:
        """Return what was requested for the whole stream."""
        return self._stream.traffic()

    def meters(self) -> Meters:
        """Return what the whole stream moved so far; told by the first segment alone, so that sums are right."""
        return self._stream.meters() if self._number == 0 else Meters()

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
