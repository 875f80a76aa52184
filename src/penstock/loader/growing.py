"""A stream over a dataset whose listing goes on: the first epoch part by part, the others over the whole.

The first epoch gives the parts of the listing in order, each shuffled in itself; where parts end depends on the listing
alone, so its order is the same whenever it is run. Each sample comes once. A saved place names the part that it lies
in and the parts before it: another listing is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from penstock.errors import CheckpointMismatch
from penstock.loader.protocols import LoaderState
from penstock.loader.segments import SegmentLoader
from penstock.loader.stream import WindowStream
from penstock.manifest import ManifestInfo
from penstock.records import Meters, Plan
from penstock.sources import sum_meters, take_later

__all__ = ["GrowingStream", "Listed", "Listing", "OpenStream", "used_splits"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A manifest with its plan."""

    manifest: Path
    info: ManifestInfo
    plan: Plan


class Listing(Protocol):
    """A listing that goes on."""

    def part(self, number: int) -> Listed | None:
        """Return a part, 0-based, as soon as it is there; None where the listing ended with fewer.

        Raises:
            PenstockError: the listing failed before it came to that part.
        """
        ...

    def whole(self) -> Listed:
        """Return everything, when the listing has ended.

        Raises:
            PenstockError: the listing failed.
        """
        ...


class OpenStream(Protocol):
    """Opens a stream over a manifest; one is open at a time."""

    def __call__(self, listed: Listed, splits: Sequence[tuple[str, bool]], num_epochs: int) -> WindowStream:
        """Return a stream of that many epochs of ``(split, training)``, in order."""
        ...


class GrowingStream:
    """Batches of the training split, epoch after epoch, and of those that follow it in each.

    Args:
        listing: of the dataset.
        open_stream: opens what each part, and then everything, is read through.
        num_epochs: of the whole.
        splits: ``(split, training)`` of each segment of an epoch; the first is given from the listing's beginning on,
            others when it has ended, where they have samples.
        least: samples that a batch of all ranks must have; a part of fewer is left out of the first epoch.
    """

    def __init__(
        self,
        listing: Listing,
        *,
        open_stream: OpenStream,
        num_epochs: int,
        splits: Sequence[tuple[str, bool]] = (("train", True),),
        least: int = 1,
    ) -> None:
        self._listing = listing
        self._open_stream = open_stream
        self._num_epochs = num_epochs
        self._splits = splits
        self._least = least
        self._part = 0
        self._before = ""
        """Names the parts before, by the SHA-256 of the last name and the next part's manifest."""
        self._stream: WindowStream | None = None
        self._whole: Listed | None = None
        self._past_meters = Meters()
        self._past_traffic: dict[str, Meters] = {}

    @property
    def whole(self) -> Listed | None:
        """Everything, once the stream has come to the listing's end; None in the first epoch's training."""
        return self._whole

    @property
    def num_samples(self) -> int:
        """Samples of one epoch's first segment; waits for the end of the listing."""
        return self._listing.whole().info.split(self._splits[0][0]).num_samples

    @property
    def epoch(self) -> int:
        """The epoch, 0-based, that the next batch is of; at a part's end it waits for the next part."""
        stream = self._current()
        return stream.next_index // stream.order.num_samples if self._whole else 0

    def segment(self, number: int) -> SegmentLoader:
        """Return the loader of one segment of each epoch."""
        return SegmentLoader(self, number)

    def rank_samples(self, segment: int) -> int | None:
        """Return samples of a segment; None before the stream has come to the listing's end, 0 where it has none."""
        return None if self._whole is None else self._current().rank_samples(segment)

    def batches(self, epoch: int, segment: int) -> Iterator[Any]:
        """Return what is left of a segment of an epoch.

        Raises:
            PenstockError: the data or the listing failed; raised at the batch that it belongs to.
        """
        if (epoch, segment) == (0, 0):
            while (stream := self._part_stream()) is not None:
                yield from stream.batches(0, 0)
            return
        if self._whole is None:
            self._begin_whole()
        if self.rank_samples(segment):
            yield from self._current().batches(epoch, segment)

    def part_samples(self) -> list[int]:
        """Return sizes of the first segment's parts in this epoch; in the first, waits for the end of the listing."""
        if self._whole is not None:
            return [self.num_samples]
        sizes: list[int] = []
        while (part := self._listing.part(len(sizes))) is not None:
            sizes.append(_num_samples(part, self._splits[0][0]))
        return sizes

    def begin_epoch(self) -> None:
        """Go to the beginning of the next epoch, from the middle of one; it is asked for when a batch was given."""
        (self._stream if self._whole is not None and self._stream is not None else self._begin_whole()).begin_epoch()

    def advance(self) -> None:
        """Say that the batches that were given are not needed any more."""
        if self._stream is not None:
            self._stream.advance()

    def leave(self, *, patience_seconds: float) -> bool:
        """Wait until no other rank of the window is behind this one; False where one still is."""
        return self._stream is None or self._stream.leave(patience_seconds=patience_seconds)

    def interrupt(self) -> None:
        """End a wait of another thread soon."""
        if self._stream is not None:
            self._stream.interrupt()

    def state_dict(self) -> LoaderState:
        """Return the place after the last batch that was given."""
        stream = self._stream or self._current()
        place: LoaderState = {} if self._whole else {"part": self._part, "parts_before": self._before}
        return stream.state_dict() | place

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved place; waits until the listing has come to it.

        Raises:
            CheckpointMismatch: it is of another dataset, order or batch size.
        """
        self._leave()
        self._part, self._before, self._whole = 0, "", None
        if "part" not in state:
            self._begin_whole()
        while self._whole is None and self._part != state["part"]:
            self._next_part()
        if self._whole is None and self._before != state.get("parts_before"):
            raise CheckpointMismatch(
                f"the listing's first {self._part} part(s) are not those of the saved place",
                fix="go on with the dataset that the run began with, or begin a new run",
            )
        self._current(skip_ended=False).load_state_dict(state)

    def traffic(self) -> dict[str, Meters]:
        """Return what was requested so far, by the ids that it is counted under."""
        if self._stream is not None:
            self._past_traffic = take_later(self._past_traffic, self._stream.traffic())
        return self._past_traffic

    def meters(self) -> Meters:
        """Return what was moved so far, the window's sizes, and what was left out."""
        now = self._stream.meters().without_traffic() if self._stream is not None else Meters()
        return self._past_meters.plus(now).plus(sum_meters(self.traffic()))

    def close(self) -> None:
        """Close the stream that is open."""
        self._leave()

    def _current(self, *, skip_ended: bool = True) -> WindowStream:
        """Return the stream that the next batch comes from."""
        while True:
            if self._stream is None:
                part = self._listing.part(self._part)
                if part is None:
                    return self._begin_whole()
                if _num_samples(part, self._splits[0][0]) >= self._least:
                    self._stream = self._open_stream(part, self._splits[:1], 1)
            stream = self._stream
            if stream is not None:
                ended = self._whole is None and stream.next_index >= stream.order.num_samples
                if not (skip_ended and ended):
                    return stream
            self._next_part()

    def _part_stream(self) -> WindowStream | None:
        """Return the stream of a part that has batches left; None where there is no such part any more."""
        stream = self._current()
        return stream if self._whole is None else None

    def _next_part(self) -> None:
        part = self._listing.part(self._part)
        if part is None:
            self._begin_whole()
            return
        self._leave()
        self._before = hashlib.sha256(f"{self._before} {part.info.fingerprint}".encode()).hexdigest()
        self._part += 1

    def _begin_whole(self) -> WindowStream:
        """Open the stream over everything, behind the first epoch's first segment."""
        whole = self._listing.whole()
        self._leave()
        self._stream = stream = self._open_stream(whole, used_splits(whole, self._splits), self._num_epochs)
        stream.load_state_dict(stream.state_dict() | {"next_index": stream.order.segments[0].num_samples})
        self._whole = whole
        return stream

    def _leave(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self.traffic()
            self._past_meters = self._past_meters.plus(self._stream.meters().without_traffic())
            self._stream = None


def used_splits(listed: Listed, splits: Sequence[tuple[str, bool]]) -> Sequence[tuple[str, bool]]:
    """Return the first of ``(split, training)``, and those of the others that have samples."""
    return [*splits[:1], *(split for split in splits[1:] if _num_samples(listed, split[0]))]


def _num_samples(listed: Listed, name: str) -> int:
    return sum(split.num_samples for split in listed.info.splits if split.name == name)
