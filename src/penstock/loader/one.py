"""Batches of samples that are an extent each.

A decoder may give a view of the bytes that it is given, which are a copy. Of pure decoders the window's are let go of
as soon as they return; else a batch counts only if they were still those of the session when it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from penstock.errors import DataError
from penstock.loader.chance import chance_of, own_generators
from penstock.loader.decoding import Decoding
from penstock.loader.failures import add_note, collating, sample_note, transform_note
from penstock.loader.using import Run, SampleUser
from penstock.manifest import sample_key
from penstock.plan import locate, stream_indices, turn_of
from penstock.records import Order, SkippedSample
from penstock.window import WindowExtent, WindowReader

__all__ = ["OneByOne"]

_THE_ONE = np.zeros(1, np.int64)


class OneByOne:
    """Makes them.

    Args:
        trained: of each segment, whether its samples are trained on.
        frees: whether this process lets go of what it has read.
    """

    def __init__(
        self, decoding: Decoding, *, order: Order, trained: Sequence[bool], user: SampleUser, frees: bool
    ) -> None:
        self._decoding, self._order, self._trained = decoding, order, trained
        self._user, self._frees = user, frees
        self._chance = chance_of(decoding, order.seed)

    def make(self, reader: WindowReader, indices: Sequence[int], skipped: list[SkippedSample]) -> Any:
        """Return a batch by its window indices, None where all its samples were bad."""
        numbers = dict(zip(indices, stream_indices(self._order, indices).tolist(), strict=True))
        holds = not self._decoding.is_pure
        with own_generators() if self._frees and holds else nullcontext():
            while True:
                values: list[Any] = []
                keys: list[str] = []
                taken: list[int] = []
                runs = self._decode_runs(reader, numbers, values, keys, taken)
                if runs is None:
                    continue
                if self._decoding.stand_in is not None:
                    there = dict(zip(taken, values, strict=True))
                    values = [there.get(index, self._decoding.stand_in) for index in indices]
                batch = self._collate(values, keys, numbers[indices[0]]) if values else None
                if not holds or reader.is_intact(*(run.first for run in runs if run.first is not None)):
                    skipped += [bad for run in runs for bad in run.skipped]
                    if self._frees and holds:
                        reader.advance(indices[-1] + 1)
                    return batch

    def _collate(self, values: list[Any], keys: Sequence[str], first: int) -> Any:
        place = locate(self._order, first)
        self._chance.seed(place.epoch, f"batch of {keys[0] if keys else ''}")
        with collating(keys, values, position=place.position, epoch=place.epoch):
            return self._decoding.collate(values)

    def _decode_runs(
        self, reader: WindowReader, numbers: dict[int, int], values: list[Any], keys: list[str], taken: list[int]
    ) -> list[Run] | None:
        """Decode all samples; give their runs, or None where the window changed under a value that is still there.

        Args:
            values: put what is decoded in here, and its keys and window indices into ``keys`` and ``taken``.
        """
        indices = list(numbers)
        first = numbers[indices[0]]
        place = locate(self._order, first)  # of the batch's first sample: none crosses a segment
        is_trained = self._trained[place.segment]

        def use(extent: WindowExtent) -> None:
            key, number = sample_key(extent.meta, 0), numbers[extent.index]
            position = place.position + number - first
            turn = turn_of(self._order, epoch=place.epoch, segment=place.segment, place=position)
            at = _Place(place.epoch, position, number, turn)
            values.append(self._value(reader, extent, key, at, is_trained=is_trained))
            keys.append(key)
            taken.append(extent.index)

        runs: list[Run] = []
        done = 0
        while done < len(indices):
            good = len(values)
            run = self._user.use_run(reader, indices[done:], use)
            if run is None:
                if not self._decoding.is_pure:
                    return None
                del values[good:], keys[good:], taken[good:]
                continue
            runs.append(run)
            done += run.num_passed
            if self._frees and self._decoding.is_pure:
                reader.advance(indices[done - 1] + 1)
        return runs

    def _value(self, reader: WindowReader, extent: WindowExtent, key: str, at: _Place, *, is_trained: bool) -> Any:
        """Decode and transform a sample, with chance of its own."""
        decoding, about, transform = self._decoding, extent.meta, self._decoding.transform
        rng = self._chance.seed(at.turn, key, at.number)
        is_decoded = False
        try:
            if decoding.takes_path:
                with reader.as_file(extent) as path:
                    (value,) = decoding.decode(path, about, extent.codec, _THE_ONE)
            else:
                (value,) = decoding.decode(extent.data, about, extent.codec, _THE_ONE)
            is_decoded = True
            return value if transform is None else transform(value, rng if is_trained else None)
        except BaseException as error:
            told = {"position": at.position, "epoch": at.epoch}
            note = transform_note(transform, key, **told) if is_decoded else sample_note("decode of", key, **told)
            add_note(error, note)
            if isinstance(error, DataError):
                error.name(key)
            raise


class _Place(NamedTuple):
    """Where a sample stands: in its epoch, and in the stream; ``turn`` tells how often it was read before."""

    epoch: int
    position: int
    number: int
    turn: int
