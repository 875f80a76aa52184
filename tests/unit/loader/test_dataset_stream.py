"""One stream over every listing: the same samples and places, whether it is whole, goes on, or is a part alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import CheckpointMismatch, PenstockError, SourceUnavailable
from penstock.loader.dataset_stream import DatasetStream
from penstock.loader.protocols import LoaderState
from penstock.loader.stream import WindowStream
from penstock.manifest import ManifestInfo
from penstock.manifest.listed import Listed, Listing, WholeListing
from penstock.records import Meters, Plan, RequestCount

NUM_EPOCHS = 3
FAILED = SourceUnavailable("the listing failed", fix="list again")


def listed(name: str, *, is_whole: bool, **samples: int) -> Listed:
    splits = tuple(SimpleNamespace(name=split, num_samples=number) for split, number in samples.items())
    info = SimpleNamespace(fingerprint=name, splits=splits)
    plan = Plan(manifest_fingerprint=name, seed=0, num_lanes=1, shuffle="full", mix=1)
    return Listed(manifest=Path(name), info=cast("ManifestInfo", info), plan=plan, is_whole=is_whole)


@dataclass(kw_only=True)
class GoesOn:
    """A listing with parts of so many training samples each; it fails behind some of them."""

    sizes: Sequence[int]
    num_valid: int = 0
    fails_at: int | None = None
    asked_whole: int = 0

    def part(self, number: int) -> Listed | None:
        if number == self.fails_at:
            raise FAILED
        if number >= len(self.sizes):
            return None
        return listed(f"part {number} of {self.sizes[number]}", is_whole=False, train=self.sizes[number])

    def whole(self) -> Listed:
        self.asked_whole += 1
        if self.fails_at is not None:
            raise FAILED
        return whole(sum(self.sizes), self.num_valid)


def whole(num_train: int, num_valid: int = 0) -> Listed:
    return listed(f"whole of {num_train}", is_whole=True, train=num_train, valid=num_valid)


@dataclass
class InPlace:
    """A stand-in for the stream over one manifest: each sample is the manifest's name, its epoch and its number."""

    listed: Listed
    splits: Sequence[tuple[str, bool]]
    num_epochs: int
    batch_size: int
    next_index: int = 0
    is_closed: bool = False
    counted: dict[str, Meters] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = [self.listed.num_samples(split) for split, _ in self.splits]
        self.order = SimpleNamespace(
            num_samples=sum(sizes), segments=[SimpleNamespace(num_samples=size) for size in sizes]
        )

    @property
    def epoch(self) -> int:
        return self.next_index // self.order.num_samples

    def batches(self, epoch: int, segment: int) -> Iterator[list[tuple[str, str, int, int]]]:
        sizes = [each.num_samples for each in self.order.segments]
        start = epoch * self.order.num_samples + sum(sizes[:segment])
        end = start + sizes[segment]
        self.next_index = max(self.next_index, start)
        split = self.splits[segment][0]
        name = self.listed.info.fingerprint
        while self.next_index < end:
            first = self.next_index
            self.next_index = min(first + self.batch_size, end)
            yield [(name, split, epoch, index - start) for index in range(first, self.next_index)]

    def begin_epoch(self) -> None:
        if passed := self.next_index % self.order.num_samples:
            self.next_index += self.order.num_samples - passed

    def rank_samples(self, segment: int) -> int:
        return self.order.segments[segment].num_samples if segment < len(self.order.segments) else 0

    def state_dict(self) -> LoaderState:
        return {
            "version": 1,
            "next_index": self.next_index,
            "manifest_fingerprint": self.listed.info.fingerprint,
            "order": "",
        }

    def load_state_dict(self, state: LoaderState) -> None:
        if state["manifest_fingerprint"] != self.listed.info.fingerprint:
            raise CheckpointMismatch("another manifest", fix="none")
        self.next_index = cast("int", state["next_index"])

    def traffic(self) -> dict[str, Meters]:
        return dict(self.counted)

    def moved(self) -> Meters:
        return Meters()

    def advance(self) -> None: ...

    def interrupt(self) -> None: ...

    def leave(self, *, patience_seconds: float) -> bool:
        return True

    def close(self) -> None:
        self.is_closed = True


class Opened:
    """Streams over listings, and what they opened."""

    def __init__(self, *, batch_size: int = 4) -> None:
        self.batch_size = batch_size
        self.streams: list[InPlace] = []

    def over(self, listing: Listing, *, valid: bool = False, least: int = 1) -> DatasetStream:
        def open_stream(listed: Listed, splits: Sequence[tuple[str, bool]], num_epochs: int) -> WindowStream:
            assert all(stream.is_closed for stream in self.streams), "one is open at a time"
            self.streams.append(InPlace(listed, splits, num_epochs, self.batch_size))
            return cast("WindowStream", self.streams[-1])

        splits = [("train", True), ("valid", False)] if valid else [("train", True)]
        return DatasetStream(listing, open_stream=open_stream, num_epochs=NUM_EPOCHS, splits=splits, least=least)


def read(stream: DatasetStream, *, from_epoch: int = 0, valid: bool = False) -> Iterator[tuple[Any, LoaderState]]:
    for epoch in range(from_epoch, NUM_EPOCHS):
        for segment in range(1 + valid):
            for batch in stream.batches(epoch, segment):
                yield batch, stream.state_dict()


SIZES = st.lists(st.integers(0, 11), min_size=1, max_size=4).filter(any)


@given(sizes=SIZES, num_valid=st.integers(0, 5), batch_size=st.integers(1, 5), goes_on=st.booleans(), data=st.data())
def test_it_goes_on_from_any_place_as_if_it_had_never_stopped(
    sizes: list[int], num_valid: int, batch_size: int, goes_on: bool, data: st.DataObject
) -> None:
    def listing() -> Listing:
        if goes_on:
            return GoesOn(sizes=sizes, num_valid=num_valid)
        return WholeListing(listed=whole(sum(sizes), num_valid))

    given = list(read(Opened(batch_size=batch_size).over(listing(), valid=True), valid=True))
    samples = [sample for batch, _ in given for sample in batch]
    firsts = [sample for sample in samples if sample[1] == "train" and sample[2] == 0]
    assert len(firsts) == sum(sizes), "each sample once in the first epoch"
    assert len(samples) == NUM_EPOCHS * (sum(sizes) + num_valid)
    assert len(set(samples)) == len(samples)
    number = data.draw(st.integers(0, len(given) - 1))
    again = Opened(batch_size=batch_size).over(listing(), valid=True)
    again.load_state_dict(given[number][1])
    # The epoch of a place behind a part's last batch is asked for by who counts it, as a trainer does.
    epoch = given[number][0][0][2]
    assert [batch for batch, _ in read(again, from_epoch=epoch, valid=True)] == [b for b, _ in given[number + 1 :]]


def test_a_whole_manifest_is_opened_once_and_no_part_is_asked_for() -> None:
    opened = Opened()
    stream = opened.over(WholeListing(listed=whole(10)))
    states = [state for _, state in read(stream)]
    for state in states:
        stream.load_state_dict(state)
        assert "part" not in state
    stream.begin_epoch()
    assert (stream.epoch, stream.num_samples, stream.part_samples(), stream.rank_samples(0)) == (3, 10, [10], 10)
    assert [(each.splits, each.num_epochs) for each in opened.streams] == [([("train", True)], NUM_EPOCHS)]


def test_places_are_loaded_over_and_over_without_opening_the_whole_again() -> None:
    opened = Opened()
    stream = opened.over(GoesOn(sizes=[5, 9]))
    states = [state for _, state in read(stream)]
    assert len(opened.streams) == 3
    for state in states[-3:]:
        stream.load_state_dict(state)
    assert len(opened.streams) == 3
    for state in states:
        stream.load_state_dict(state)
        assert stream.state_dict() == state


def test_what_is_requested_after_its_end_is_counted() -> None:
    """A prefetcher sends to its last moment, which comes after the stream's."""
    for listing in (WholeListing(listed=whole(10)), GoesOn(sizes=[10])):
        opened = Opened()
        stream = opened.over(listing)
        next(stream.batches(0, 0))
        stream.close()
        late = Meters(requests=(RequestCount(kind="get", purpose="data", sent=7),))
        opened.streams[-1].counted["p"] = late
        assert stream.traffic() == {"p": late}
        assert stream.meters().count().sent == 7


def test_a_place_in_a_part_is_none_of_a_whole_manifest() -> None:
    parts = Opened().over(GoesOn(sizes=[5, 9]))
    next(parts.batches(0, 0))
    stream = Opened().over(WholeListing(listed=whole(14)))
    before = stream.state_dict()
    with pytest.raises(CheckpointMismatch, match="in part 0 of a listing that went on") as found:
        stream.load_state_dict(parts.state_dict())
    assert "--stream-listing" in found.value.fix
    assert stream.state_dict() == before


@pytest.mark.parametrize("other", [[6, 9], [5, 8], [5]])
def test_a_place_behind_other_parts_is_refused(other: list[int]) -> None:
    *_, (_, state) = [pair for pair in read(Opened().over(GoesOn(sizes=[5, 9]))) if "part" in pair[1]]
    assert state["part"] == 1
    with pytest.raises(CheckpointMismatch):
        Opened().over(GoesOn(sizes=other)).load_state_dict(state)


@pytest.mark.parametrize("part", [-1, 7, "x", None, 1.5])
def test_a_part_that_there_is_not_is_refused(part: Any) -> None:
    stream = Opened().over(GoesOn(sizes=[5, 9]))
    with pytest.raises(CheckpointMismatch):
        stream.load_state_dict({**stream.state_dict(), "part": part})


def test_a_listing_that_fails_is_told_at_the_batch_that_it_lacks() -> None:
    stream = Opened().over(GoesOn(sizes=[4, 8], fails_at=1))
    batches = stream.batches(0, 0)
    assert len(next(batches)) == 4
    with pytest.raises(PenstockError, match="the listing failed"):
        next(batches)


def test_parts_of_less_than_a_batch_are_left_out_of_the_first_epoch_alone() -> None:
    stream = Opened().over(GoesOn(sizes=[2, 8, 3]), least=4)
    epochs = [[sample for batch in stream.batches(epoch, 0) for sample in batch] for epoch in range(NUM_EPOCHS)]
    assert [len(epoch) for epoch in epochs] == [8, 13, 13]
