"""A stream over a dataset whose listing goes on: the first epoch part by part, the others over the whole.

The first epoch gives the parts of the listing in order, each shuffled in itself; where parts end depends on the listing
alone, so its order is the same whenever it is run. Each sample comes once. A saved place names the part that it lies
in and the parts before it: another listing is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from penstock.errors import CheckpointMismatch
from penstock.loader.protocols import LoaderState
from penstock.loader.stream import WindowStream
from penstock.records import ManifestInfo, Meters, Plan

__all__ = ["GrowingStream", "Listed", "Listing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A manifest with its plan."""

    manifest: Path
    info: ManifestInfo
    plan: Plan


class Listing(Protocol):
    """A listing that goes on."""

    def part(self, number: int) -> Listed | None:
        """Give a part, 0-based, as soon as it is there; None where the listing ended with fewer.

        Raises:
            PenstockError: the listing failed before it came to that part.
        """
        ...

    def whole(self) -> Listed:
        """Give everything, when the listing has ended.

        Raises:
            PenstockError: the listing failed.
        """
        ...


class GrowingStream:
    """Batches of the training split, epoch after epoch.

    Args:
        listing: of the dataset.
        open_stream: opens a stream of that many epochs over a manifest's training split; one is open at a time.
        num_epochs: of the whole.
    """

    def __init__(
        self, listing: Listing, *, open_stream: Callable[[Listed, int], WindowStream], num_epochs: int
    ) -> None:
        self._listing = listing
        self._open_stream = open_stream
        self._num_epochs = num_epochs
        self._part = 0
        self._before = ""
        """Names the parts before, by the SHA-256 of the last name and the next part's manifest."""
        self._stream: WindowStream | None = None
        self._is_whole = False
        self._past_meters = Meters()

    @property
    def num_samples(self) -> int:
        """Samples of one epoch; waits for the end of the listing."""
        return self._listing.whole().info.split("train").num_samples

    @property
    def epoch(self) -> int:
        """The epoch, 0-based, that the next batch is of; at a part's end it waits for the next part."""
        stream = self._current()
        return stream.next_index // stream.order.num_samples if self._is_whole else 0

    def batches(self) -> Iterator[Any]:
        """Give what is left of the current epoch.

        Raises:
            PenstockError: the data or the listing failed; raised at the batch that it belongs to.
        """
        stream = self._current()
        if self._is_whole:
            yield from stream.batches(self.epoch, 0)
            return
        while not self._is_whole:
            yield from stream.batches(0, 0)
            stream = self._current()

    def state_dict(self) -> LoaderState:
        """Give the place after the last batch that was given."""
        stream = self._stream or self._current()
        place: LoaderState = {} if self._is_whole else {"part": self._part, "parts_before": self._before}
        return stream.state_dict() | place

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved place; waits until the listing has come to it.

        Raises:
            CheckpointMismatch: it is of another dataset, order or batch size.
        """
        self._leave()
        self._part, self._before, self._is_whole = 0, "", False
        if "part" not in state:
            self._begin_whole()
        while not self._is_whole and self._part != state["part"]:
            self._next_part()
        if not self._is_whole and self._before != state.get("parts_before"):
            raise CheckpointMismatch(
                f"the listing's first {self._part} part(s) are not those of the saved place",
                fix="go on with the dataset that the run began with, or begin a new run",
            )
        self._current(skip_ended=False).load_state_dict(state)

    def meters(self) -> Meters:
        """Give what was moved so far."""
        return self._past_meters.plus(self._stream.meters()) if self._stream is not None else self._past_meters

    def close(self) -> None:
        """Close the stream that is open."""
        self._leave()

    def _current(self, *, skip_ended: bool = True) -> WindowStream:
        """Give the stream that the next batch comes from."""
        while True:
            if self._stream is None:
                part = self._listing.part(self._part)
                if part is None:
                    return self._begin_whole()
                if any(split.name == "train" and split.num_samples for split in part.info.splits):
                    self._stream = self._open_stream(part, 1)
            stream = self._stream
            if stream is not None:
                ended = not self._is_whole and stream.next_index >= stream.order.num_samples
                if not (skip_ended and ended):
                    return stream
            self._next_part()

    def _next_part(self) -> None:
        part = self._listing.part(self._part)
        if part is None:
            self._begin_whole()
            return
        self._leave()
        self._before = hashlib.sha256(f"{self._before} {part.info.fingerprint}".encode()).hexdigest()
        self._part += 1

    def _begin_whole(self) -> WindowStream:
        """Open the stream over everything, at its second epoch."""
        self._leave()
        self._stream = stream = self._open_stream(self._listing.whole(), self._num_epochs)
        stream.load_state_dict(stream.state_dict() | {"next_index": stream.order.num_samples})
        self._is_whole = True
        return stream

    def _leave(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._past_meters = self._past_meters.plus(self._stream.meters())
            self._stream = None
