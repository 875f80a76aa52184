"""Batches of a dataset, whether it is listed whole or its listing goes on.

A listing that goes on gives the first epoch part by part, each shuffled in itself, and the others as a whole; where
parts end depends on the listing alone, so the order is the same whenever it is run. A whole manifest is a listing of
one part, which is everything: each epoch is shuffled as a whole. Each sample comes once an epoch. A saved position
within a part names that part and the parts before it: another listing is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from penstock.errors import CheckpointMismatch
from penstock.loader.protocols import LoaderState
from penstock.loader.segments import SegmentLoader
from penstock.loader.stream import WindowStream
from penstock.manifest.listed import Listed, Listing
from penstock.records import Meters
from penstock.sources import sum_meters, take_later

__all__ = ["DatasetStream", "OpenStream"]


class OpenStream(Protocol):
    """Opens a stream over a manifest; one is open at a time."""

    def __call__(self, listed: Listed, splits: Sequence[tuple[str, bool]], num_epochs: int) -> WindowStream:
        """Return a stream of that many epochs of ``(split, training)``, in order."""
        ...


class DatasetStream:
    """Batches of the training split, epoch after epoch, and of those that follow it in each.

    Args:
        listing: of the dataset; its first part is waited for.
        open_stream: opens what each part, and then everything, is read through.
        num_epochs: of the whole.
        splits: ``(split, training)`` of each segment of an epoch; the first is given from the listing's beginning on,
            others when it has ended, where they have samples.
        least: samples that a batch of all ranks must have; a part of fewer is left out of the first epoch.

    Raises:
        PenstockError: the listing failed, or what is whole cannot be read with the options of ``open_stream``.
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
        first = listing.part(0)
        self._goes_on = first is not None and not first.is_whole
        if not self._goes_on:
            self._begin_whole()

    @property
    def num_samples(self) -> int:
        """Samples of one epoch's first segment; waits for the end of the listing."""
        split, is_trained = self._splits[0]
        return self._listing.whole().epoch_samples(split, is_trained=is_trained)

    @property
    def epoch(self) -> int:
        """The epoch, 0-based, that the next batch is of; at a part's end it waits for the next part."""
        stream = self._current()
        return stream.epoch if self._whole else 0

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
        if self._goes_on and (epoch, segment) == (0, 0):
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
            sizes.append(part.num_samples(self._splits[0][0]))
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
        """Return the position after the last batch that was given."""
        stream = self._stream or self._current()
        position: LoaderState = {} if self._whole else {"part": self._part, "parts_before": self._before}
        return stream.state_dict() | position

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved position; waits until the listing has come to it.

        Raises:
            CheckpointMismatch: it is of another dataset, order or batch size.
        """
        if "part" in state:
            self._go_to_part(state)
        elif self._whole is None:
            self._begin_whole()
        self._current(skip_ended=False).load_state_dict(state)

    def traffic(self) -> dict[str, Meters]:
        """Return what was requested so far, by the ids that it is counted under."""
        if self._stream is not None:
            self._past_traffic = take_later(self._past_traffic, self._stream.traffic())
        return self._past_traffic

    def moved(self) -> Meters:
        """Return what was moved so far, the window's sizes, and what was left out; not what was requested for it."""
        return self._past_meters.plus(self._stream.moved()) if self._stream is not None else self._past_meters

    def meters(self) -> Meters:
        """Return what was moved so far, the window's sizes, what was left out, and ``traffic``."""
        return self.moved().plus(sum_meters(self.traffic()))

    def close(self) -> None:
        """Stop workers and let go of the window; what is counted meanwhile, ``traffic`` tells all the same."""
        if self._stream is not None:
            self._stream.close()

    def _current(self, *, skip_ended: bool = True) -> WindowStream:
        """Return the stream that the next batch comes from."""
        while True:
            if self._stream is None:
                part = self._listing.part(self._part)
                if part is None or part.is_whole:
                    return self._begin_whole()
                if part.num_samples(self._splits[0][0]) >= self._least:
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

    def _go_to_part(self, state: LoaderState) -> None:
        """Go to the part of a saved position.

        Raises:
            CheckpointMismatch: there is none, or others came before it.
        """
        if not self._goes_on:
            raise CheckpointMismatch(
                f"the saved position in the data is in part {state['part']} of a listing that went on",
                fix="go on with --stream-listing=True, as what saved it",
            )
        self._leave()
        self._part, self._before, self._whole = 0, "", None
        while self._whole is None and self._part != state["part"]:
            self._next_part()
        if self._whole is None and self._before != state.get("parts_before"):
            raise CheckpointMismatch(
                f"the listing's first {self._part} part(s) are not those of the saved position",
                fix="go on with the dataset that the run began with, or begin a new run",
            )

    def _next_part(self) -> None:
        part = self._listing.part(self._part)
        if part is None:
            self._begin_whole()
            return
        self._leave()
        self._before = hashlib.sha256(f"{self._before} {part.info.fingerprint}".encode()).hexdigest()
        self._part += 1

    def _begin_whole(self) -> WindowStream:
        """Open the stream over everything; behind the first epoch's first segment, where that was given in parts."""
        whole = self._listing.whole()
        self._leave()
        used = [*self._splits[:1], *(split for split in self._splits[1:] if whole.num_samples(split[0]))]
        self._stream = stream = self._open_stream(whole, used, self._num_epochs)
        if self._goes_on:
            stream.load_state_dict(stream.state_dict() | {"next_index": stream.order.segments[0].num_samples})
        self._whole = whole
        return stream

    def _leave(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self.traffic()
            self._past_meters = self._past_meters.plus(self._stream.moved())
            self._stream = None
