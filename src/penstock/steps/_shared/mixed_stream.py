"""Batches of a mix for a step: training samples are drawn from all members, other splits go member by member.

Which sample comes next is what ``penstock.mix(...).loader`` would give (``penstock.dataset.proportions``), whose draws
these are: each member is read through a window of its own, in an order of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Final

import msgspec

from penstock.dataset.member_feed import CHUNK, Feed, pack
from penstock.dataset.mix_record import epochs_of
from penstock.dataset.mixed_positions import check_mixed_position, check_passed
from penstock.errors import PenstockError
from penstock.loader import Decoding, WindowStream
from penstock.loader.protocols import Batch, LoaderState
from penstock.loader.segments import SegmentLoader
from penstock.manifest import ManifestInfo
from penstock.manifest.listed import Listed
from penstock.plan.ranks import ONE_RANK, Ranks
from penstock.records import Meters, Mixing, MixShare
from penstock.sources import sum_meters, take_later
from penstock.stream.epochs import NOTHING, Nothing

__all__ = ["MemberWindow", "MixedStream", "mean_epoch"]

STATE_VERSION: Final = 1
UNBOUNDED_EPOCHS: Final = 1_000_000
_SIZES: Final = ("window_bytes", "window_high_water_bytes", "kept_bytes", "ahead_bytes")
"""Meters of a window, of which all members' are one."""

Splits = Sequence[tuple[str, bool]]


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberWindow:
    """A member of a mix, and how it is read.

    Attributes:
        open: opens a stream of splits, of so many epochs, in batches of so many samples; one is open at a time.
    """

    listed: Listed
    open: Callable[[Splits, int, int, Decoding], WindowStream]

    def num_samples(self, split: str) -> int:
        """Return the samples of a split."""
        return self.listed.num_samples(split)


class MixedStream:
    """Batches of the segments of each epoch of a mix, as ``DatasetStream`` gives them of one dataset.

    Args:
        members: in the order of the plan.
        decoding: of their samples.
        splits: ``(split, training)`` of each segment of an epoch.
    """

    def __init__(
        self,
        mixing: Mixing,
        members: Sequence[MemberWindow],
        *,
        decoding: Decoding,
        splits: Splits,
        batch_size: int,
        num_epochs: int,
    ) -> None:
        self._members, self._decoding, self._splits = members, decoding, splits
        self._batch_size, self._num_epochs = batch_size, num_epochs
        sizes = [member.num_samples("train") for member in members]
        self._epochs = epochs_of(mixing, sizes)
        # Where members begin again, how many epochs each is asked for follows from the weights.
        self._member_epochs = num_epochs if mixing.stop in ("first", "once") else UNBOUNDED_EPOCHS
        told = (msgspec.json.encode(mixing), sizes, [member.listed.info.fingerprint for member in members])
        self._name = hashlib.sha256(repr(told).encode()).hexdigest()
        self._epoch = 0
        self._passed, self._given = [0] * len(members), [0] * len(members)
        self._streams: dict[int, WindowStream] = {}
        self._feeds: list[Feed] = []
        self._past = [Meters() for _ in members]
        self._traffic: dict[str, Meters] = {}

    def segment(self, number: int) -> SegmentLoader:
        """Return the loader of one segment of each epoch."""
        return SegmentLoader(self, number)

    def rank_samples(self, segment: int) -> int:
        """Return the samples of a segment of the epoch."""
        split, is_training = self._splits[segment]
        if is_training:
            return sum(quota.count for quota in self._epochs.quotas(min(self._epoch, self._num_epochs - 1)))
        return sum(member.num_samples(split) for member in self._members)

    def batches(self, epoch: int, segment: int) -> Iterator[Any]:
        """Return what is left of a segment of an epoch.

        Raises:
            PenstockError: the data failed; raised at the batch that it belongs to.
        """
        split, is_training = self._splits[segment]
        return self._drawn(epoch) if is_training else self._chained(split)

    @property
    def shares(self) -> tuple[MixShare, ...]:
        """What each member gives to the last epoch that was begun, and gave so far."""
        epoch = min(self._epoch, self._num_epochs - 1)
        return tuple(
            _share(member.listed.info, share=share, planned=quota.count, given=given)
            for member, share, quota, given in zip(
                self._members, self._epochs.shares(epoch), self._epochs.quotas(epoch), self._given, strict=True
            )
        )

    def state_dict(self) -> LoaderState:
        """Return the position after the last batch that was given."""
        return {
            "version": STATE_VERSION,
            "mix": self._name,
            "epoch": self._epoch,
            "passed": msgspec.json.encode(self._passed).decode(),
            "given": msgspec.json.encode(self._given).decode(),
        }

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved position.

        Raises:
            CheckpointMismatch: it is of another mix, or none.
        """
        found, own = _with_lists(state), _with_lists(self.state_dict())
        check_mixed_position(found, own)
        check_passed(found["passed"], [quota.count for quota in self._epochs.quotas(found["epoch"])])
        self._epoch, self._passed, self._given = found["epoch"], list(found["passed"]), list(found["given"])
        self._feeds = []

    def traffic(self) -> dict[str, Meters]:
        """Return what was requested so far in all attempts, by the ids that it is counted under."""
        self._traffic = take_later(self._traffic, *(stream.traffic() for stream in self._streams.values()))
        return self._traffic

    def moved(self) -> Meters:
        """Return what was moved so far, the windows' sizes together; not what was requested for it."""
        each = [past.plus(self._moved(number)) for number, past in enumerate(self._past)]
        sizes = {name: sum(getattr(meters, name) for meters in each) for name in _SIZES}
        return msgspec.structs.replace(reduce(Meters.plus, each), **sizes)

    def meters(self) -> Meters:
        """Return what was moved so far, and ``traffic``."""
        return self.moved().plus(sum_meters(self.traffic()))

    def close(self) -> None:
        """Stop workers and let go of the windows; what is counted meanwhile, ``traffic`` tells all the same."""
        for stream in self._streams.values():
            stream.close()

    def _moved(self, number: int) -> Meters:
        stream = self._streams.get(number)
        return Meters() if stream is None else stream.moved()

    def _drawn(self, epoch: int) -> Iterator[Batch]:
        """Return what is left of the training samples of an epoch, drawn from all members."""
        if epoch < self._epoch:
            return
        if epoch > self._epoch:
            self._epoch, self._passed = epoch, [0] * len(self._members)
        if not self._feeds:
            self._open_training()
        turns = self._epochs.turns(epoch, list(self._passed), world_size=1)
        while turns.left:
            drawn = list(itertools.islice(turns, self._batch_size))
            values = [value for value in map(self._take, drawn) if not isinstance(value, Nothing)]
            batch = self._decoding.collate(values) if values else None
            for number, _ in drawn:
                self._given[number] += 1
            is_over = not turns.left
            self._epoch = epoch + is_over
            self._passed = [0] * len(self._members) if is_over else list(turns.given)
            if batch is not None:
                yield batch

    def _take(self, turn: tuple[int, int]) -> Any:
        number, position = turn
        feed = self._feeds[number]
        if not feed.has(position):
            try:
                feed.fetch(position)
            except PenstockError as error:
                raise self._of_member(number, error) from error.__cause__
        return feed.take()

    def _open_training(self) -> None:
        self._leave()
        decoding = replace(self._decoding, collate=pack, stand_in=NOTHING)
        chunk = min(CHUNK, self._batch_size)
        for number, member in enumerate(self._members):
            self._streams[number] = member.open([("train", True)], self._member_epochs, chunk, decoding)
        self._feeds = [Feed(_Endless(self._streams[number])) for number in range(len(self._members))]

    def _chained(self, split: str) -> Iterator[Batch]:
        """Return a split's samples, one member after the other."""
        for number, member in enumerate(self._members):
            if not member.num_samples(split):
                continue
            self._leave()
            self._streams[number] = stream = member.open([(split, False)], 1, self._batch_size, self._decoding)
            try:
                yield from stream.batches(0, 0)
            except PenstockError as error:
                raise self._of_member(number, error) from error.__cause__
        self._leave()

    def _leave(self) -> None:
        """Close what is open."""
        self._feeds = []
        self.close()
        self.traffic()
        for number, stream in self._streams.items():
            self._past[number] = self._past[number].plus(stream.moved())
        self._streams = {}

    def _of_member(self, number: int, error: PenstockError) -> PenstockError:
        """Say which member an error is of."""
        error.what = (
            f"member {number} (from 0) of the mix, {self._members[number].listed.info.source.uri}: {error.what}"
        )
        error.args = (error.what,)
        return error


class _Endless:
    """A stream as ``Feed`` reads it: epoch after epoch of one dataset."""

    def __init__(self, stream: WindowStream) -> None:
        self._stream = stream

    @property
    def num_samples(self) -> int:
        """Samples of one epoch."""
        return self._stream.num_samples

    @property
    def ranks(self) -> Ranks:
        """The only one."""
        return ONE_RANK

    def state_dict(self) -> LoaderState:
        """Return the position."""
        return self._stream.state_dict()

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a position."""
        self._stream.load_state_dict(state)

    def __iter__(self) -> Iterator[Any]:
        """Go on to the end of the epoch."""
        return self._stream.batches(self._stream.epoch, 0)


def mean_epoch(mixing: Mixing, sizes: Sequence[int], *, num_epochs: int) -> int:
    """Return how many samples an epoch of a mix has, the mean of those that are asked for, rounded up.

    Raises:
        ConfigError: weights and sizes make no epoch.
    """
    epochs = epochs_of(mixing, sizes)
    total = sum(quota.count for epoch in range(num_epochs) for quota in epochs.quotas(epoch))
    return math.ceil(total / num_epochs)


def _with_lists(state: LoaderState) -> dict[str, Any]:
    """Return a position with its lists, as far as it is one."""
    found: dict[str, Any] = dict(state)
    for name in ("passed", "given"):
        try:
            found[name] = msgspec.json.decode(str(found.get(name, "")), type=list[int])
        except msgspec.MsgspecError:
            found[name] = None
    return found


def _share(info: ManifestInfo, *, share: float, planned: int, given: int) -> MixShare:
    split = info.split("train")
    return MixShare(
        source=info.source.uri,
        share=share,
        planned=planned,
        given=given,
        sample_bytes=split.size_bytes / split.num_samples if split.num_samples else 0.0,
        storage_classes=info.storage_classes,
    )
