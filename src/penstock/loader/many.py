"""Batches of samples of extents that hold many: each extent is decoded once, and its bytes are let go of at once.

When a batch first has samples of a group of extents, the group is opened: what this rank is given of it is decoded, an
extent after the other, and held until the last of its samples was given. With workers, each opens the extents that are
its own and makes its part of each batch; the process that asked for them puts the parts together.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError, OutputError, PenstockError, WindowError
from penstock.loader.chance import chance_of, own_generators
from penstock.loader.decoding import Decoding
from penstock.loader.failures import add_note, collating, noting, transform_note
from penstock.loader.in_window import ManySamples, Touched
from penstock.loader.sharing import NodeRanks, packed, unpacked
from penstock.loader.using import SampleUser, reason_of
from penstock.manifest import sample_key
from penstock.plan.mixing import Group, Part
from penstock.records import SkippedSample
from penstock.window import ExtentSkipped, WindowExtent, WindowReader
from penstock.window.layout import ExtentMeta

__all__ = ["BatchPart", "Joiner", "PartMaker"]

_Group = tuple[int, int, int]
"""Epoch, segment and first extent of a group."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchPart:
    """Some samples of a batch.

    Attributes:
        epoch: of the batch.
        position: of the batch's first sample in its segment.
        values: which of the batch's samples each is, its key and its value.
        skipped: which of the batch's samples could not be had, and why.
    """

    epoch: int
    position: int
    values: list[tuple[int, str, Any]]
    skipped: list[tuple[int, SkippedSample]]

    def packed(self) -> bytes:
        """Return it as bytes: else each tensor among the values would take a file of shared memory of its own."""
        return pickle.dumps((self.epoch, self.position, self.values, self.skipped), pickle.HIGHEST_PROTOCOL)

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """Return what was packed by a worker of this process."""
        epoch, position, values, skipped = pickle.loads(data)  # noqa: S301
        return cls(epoch=epoch, position=position, values=values, skipped=skipped)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """Values of an extent's samples, by their n-th; what it met where it could not be had, or why it is left out."""

    about: ExtentMeta
    numbers: NDArray[np.int64]
    values: Sequence[Any] = ()
    error: Exception | None = None
    bad: str = ""

    def key(self, number: int) -> str:
        return sample_key(self.about, number)

    def packed(self, numbers: NDArray[np.int64]) -> bytes:
        """Return some samples for another rank; empty where they are not there, and it has to see for itself."""
        if self.error is not None or self.bad:
            return b""
        try:
            values = [self.values[self.place(number)] for number in numbers.tolist()]
        except Exception:
            return b""
        return packed(self.about, values)

    def place(self, number: int) -> int:
        """Return where the value of the n-th sample is among the values."""
        first = int(self.numbers[0])
        if int(self.numbers[-1]) - first == len(self.numbers) - 1:
            return number - first
        return int(np.searchsorted(self.numbers, number))


class PartMaker:
    """Makes this process's parts of batches.

    Args:
        trained: of each segment, whether its samples are trained on.
        rank: of the ``world_size`` ranks that read the stream.
        frees: whether extents are let go of as soon as they are decoded.
        worker: number of this process among the ``num_workers`` that share the rank's extents.
        node: other ranks that share the window, and so extents; None where there are none.
    """

    def __init__(
        self,
        decoding: Decoding,
        places: ManySamples,
        *,
        trained: Sequence[bool],
        user: SampleUser,
        rank: int,
        world_size: int,
        frees: bool,
        worker: int = 0,
        num_workers: int = 1,
        node: NodeRanks | None = None,
    ) -> None:
        self._decoding, self._places, self._trained, self._user = decoding, places, trained, user
        self._rank, self._world_size = rank, world_size
        self._frees, self._worker, self._num_workers, self._node = frees, worker, num_workers, node
        self._chance = chance_of(decoding, places.held.seed)
        self._open: dict[_Group, dict[int, _Decoded]] = {}

    def make(self, reader: WindowReader, indices: Sequence[int]) -> BatchPart:
        """Return the part of a batch by its stream indices."""
        touched = self._places.touched(indices)
        part = BatchPart(epoch=touched[0].epoch, position=int(touched[0].positions[0]), values=[], skipped=[])
        self._forget_before(touched[0])
        with own_generators() if self._frees and not self._decoding.is_pure else nullcontext():
            for each in touched:
                self._take(each, self._opened(reader, each), indices, part)
        return part

    def _forget_before(self, first: Touched) -> None:
        needed = _name(first)
        self._open = {name: extents for name, extents in self._open.items() if name >= needed}

    def _opened(self, reader: WindowReader, touched: Touched) -> dict[int, _Decoded]:
        name, group = _name(touched), touched.group
        if name not in self._open:
            extents: dict[int, _Decoded] = {}
            is_good = True
            others = self._node.others(lambda rank: self._wanted(group, rank)) if self._node is not None else {}
            for part in group.wanted(self._rank, self._world_size):
                if self._frees and is_good:  # past those before it that other ranks want: they fill the window
                    reader.advance(touched.first_index + part.extent)
                if part.extent % self._num_workers == self._worker:
                    extents[part.extent] = found = self._decode_for(reader, touched, part, others.get(part.extent))
                    is_good &= found.error is None
                # What the stream ended with stays, for whoever waits for what would come after it.
                if self._frees and is_good:
                    reader.advance(touched.first_index + part.extent + 1)
            if self._frees and is_good:
                reader.advance(touched.first_index + group.end_extent)
            self._open[name] = extents
        return self._open[name]

    def _wanted(self, group: Group, rank: int) -> dict[int, NDArray[np.int64]]:
        return {part.extent: part.numbers for part in group.wanted(rank, self._world_size)}

    def _decode_for(
        self, reader: WindowReader, touched: Touched, part: Part, others: Mapping[int, NDArray[np.int64]] | None
    ) -> _Decoded:
        """Decode an extent, for other ranks of the node too that want some of it, or have it from one of them."""
        if self._node is None or not others:
            return self._decode(reader, touched, part)
        found = self._node.serve_or_take(touched.first_index + part.extent)
        if isinstance(found, bytes):
            about, values = unpacked(found)
            return _Decoded(about, part.numbers, values)
        # All that the node wants, whoever decodes it: what a decoder draws is the same then.
        everything = np.unique(np.concatenate([part.numbers, *others.values()]))
        try:
            decoded = self._decode(reader, touched, Part(extent=part.extent, numbers=everything))
        except BaseException:
            if found is not None:
                found.close()  # nobody waits for what will not come
            raise
        if found is not None:
            self._node.serve(found, {rank: decoded.packed(numbers) for rank, numbers in others.items()})
        return decoded

    def _decode(self, reader: WindowReader, touched: Touched, part: Part) -> _Decoded:
        """Decode an extent; an error of its own is raised when the first of its samples is due, or is left out."""
        index = touched.first_index + part.extent
        about = ExtentMeta(f"extent {index}", "", 1, (), (), (), ())
        while True:
            try:
                extent = reader.get(index)
            except ExtentSkipped as bad:
                self._user.note(bad.key, bad.error)
                return _Decoded(bad.meta, part.numbers, bad=reason_of(bad.key, bad.error))
            except (WindowError, OutputError):
                raise
            except PenstockError as error:
                return _Decoded(about, part.numbers, error=error)
            about = extent.meta
            try:
                values = self._values(reader, extent, touched, part)
            except Exception as error:
                if not reader.is_intact(extent):
                    continue
                if isinstance(error, DataError):
                    error.name(about.key)
                if not self._user.may_skip(error):
                    return _Decoded(about, part.numbers, error=error)
                self._user.note(about.key, error)
                return _Decoded(about, part.numbers, bad=reason_of(about.key, error))
            if reader.is_intact(extent):
                self._user.begin_anew()
                return _Decoded(about, part.numbers, values)

    def _values(self, reader: WindowReader, extent: WindowExtent, touched: Touched, part: Part) -> Sequence[Any]:
        """Return the values of an extent, which may be views of its bytes."""
        key, decode = extent.meta.key, self._decoding.decode
        self._chance.seed(touched.turn(part.extent), key)
        with noting(f"penstock: decode of {key!r}, an extent of epoch {touched.epoch} (from 0)"):
            if self._decoding.takes_path:
                with reader.as_file(extent) as path:
                    values = decode(path, extent.meta, extent.codec, part.numbers)
            else:
                values = decode(extent.data, extent.meta, extent.codec, part.numbers)
            if len(values) != len(part.numbers):
                raise ValueError(f"{len(values)} values were decoded of {key!r}, not the {len(part.numbers)} asked for")
        return values

    def _take(self, touched: Touched, extents: dict[int, _Decoded], indices: Sequence[int], part: BatchPart) -> None:
        """Put the samples of a group that are this process's into the part."""
        places, transform = touched.group.locate(touched.positions), self._decoding.transform
        is_trained = self._trained[touched.segment]
        for slot, position, place, number in zip(
            touched.slots.tolist(), touched.positions.tolist(), *(each.tolist() for each in places), strict=True
        ):
            decoded = extents.get(place)
            if decoded is None:
                continue
            if decoded.error is not None:
                raise decoded.error
            key = decoded.key(number)
            if decoded.bad:
                part.skipped.append((slot, SkippedSample(key=key, reason=decoded.bad)))
                continue
            is_decoded = False
            try:
                value = decoded.values[decoded.place(number)]
                if transform is not None:
                    rng = self._chance.seed(touched.turn(place), key, indices[slot])
                    is_decoded = True
                    value = transform(value, rng if is_trained else None)
            except BaseException as error:
                if is_decoded:
                    add_note(error, transform_note(transform, key, position=position, epoch=touched.epoch))
                part.skipped.append((slot, self._skipped(key, error)))
            else:
                part.values.append((slot, key, value))

    def _skipped(self, key: str, error: BaseException) -> SkippedSample:
        """Note a sample that is left out for an error; raises it where none is."""
        if isinstance(error, DataError):
            error.name(key)
        if not isinstance(error, Exception) or not self._user.may_skip(error):
            raise error
        return self._user.note(key, error)


class Joiner:
    """Puts parts of batches together.

    Args:
        seed: of the order.
    """

    def __init__(self, decoding: Decoding, *, seed: int) -> None:
        self._decoding = decoding
        self._chance = chance_of(decoding, seed)

    def join(self, parts: Sequence[BatchPart]) -> tuple[Any, tuple[SkippedSample, ...]]:
        """Return a batch, None where nothing is left of it, and what it lacks."""
        values = sorted((each for part in parts for each in part.values), key=lambda each: each[0])
        skipped = sorted((each for part in parts for each in part.skipped), key=lambda each: each[0])
        if (stand_in := self._decoding.stand_in) is not None:
            values = sorted([*values, *((slot, bad.key, stand_in) for slot, bad in skipped)], key=lambda each: each[0])
        batch = None
        if values:
            epoch, position, keys = parts[0].epoch, parts[0].position, [key for _, key, _ in values]
            with nullcontext() if self._decoding.is_pure else own_generators():
                self._chance.seed(epoch, f"batch of {keys[0]}")
                taken = [value for _, _, value in values]
                with collating(keys, taken, position=position, epoch=epoch):
                    batch = self._decoding.collate(taken)
        return batch, tuple(bad for _, bad in skipped)


def _name(touched: Touched) -> _Group:
    return touched.epoch, touched.segment, touched.group.first_extent
