"""Batches of a caller's own kind: any bytes, any values, any collating."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.formats.protocols import Decoder
from penstock.loader.chance import SampleChance, own_generators
from penstock.loader.failures import batch_note, noting, sample_note
from penstock.loader.using import Run, SampleUser
from penstock.manifest import Described, sample_key
from penstock.plan import locate, stream_indices
from penstock.plan.order import Location
from penstock.records import Order, SkippedSample
from penstock.window import WindowExtent, WindowReader

__all__ = ["ByKey", "Custom", "CustomBatches"]

_THE_ONE = np.zeros(1, np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Custom:
    """Batches of a caller's own kind.

    Attributes:
        decode: makes values of an extent's bytes; of one sample, they may be views of the bytes.
        takes_path: ``decode`` is given the path of a file that holds the bytes, instead of them; the file is gone
            when it returns.
        transform: makes another value of that one, with random numbers of the sample's own: of seed, epoch and key.
        collate: makes a batch of the values; it must not hold on to them.
    """

    decode: Decoder
    collate: Callable[[list[Any]], Any]
    takes_path: bool = False
    transform: Callable[[Any, np.random.Generator], Any] | None = None


@dataclass(frozen=True, slots=True)
class ByKey:
    """A decoder of extents of one sample, by a function of their bytes, or of a file's path, and the sample's key."""

    decode: Callable[[Any, str], Any]

    def __call__(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Give the one value."""
        return (self.decode(data, sample_key(about, 0)),)


class CustomBatches:
    """Makes them.

    Args:
        restores: leave the generators of this process as they were, which is also a training loop's.
    """

    def __init__(self, custom: Custom, *, order: Order, user: SampleUser, restores: bool) -> None:
        self._custom = custom
        self._order = order
        self._user = user
        self._restores = restores
        self._chance = SampleChance(order.seed)

    def make(self, reader: WindowReader, indices: Sequence[int], skipped: list[SkippedSample]) -> Any:
        """Give a batch, None where all its samples were bad; they stay in the window until it is made."""
        places = [locate(self._order, number) for number in stream_indices(self._order, indices).tolist()]
        with own_generators() if self._restores else nullcontext():
            while True:
                values: list[Any] = []
                keys: list[str] = []
                runs = self._decode_runs(reader, dict(zip(indices, places, strict=True)), values, keys)
                if runs is None:
                    continue
                batch = self._collate(values, keys, places[0]) if values else None
                if reader.is_intact(*(run.first for run in runs if run.first is not None)):
                    skipped += [bad for run in runs for bad in run.skipped]
                    return batch

    def _collate(self, values: list[Any], keys: Sequence[str], first: Location) -> Any:
        self._chance.seed(first.epoch, f"batch of {keys[0]}")
        with noting(batch_note(keys, position=first.position, epoch=first.epoch)):
            return self._custom.collate(values)

    def _decode_runs(
        self, reader: WindowReader, places: dict[int, Location], values: list[Any], keys: list[str]
    ) -> list[Run] | None:
        """Decode all samples; give their runs, or None where the window changed under one."""

        def use(extent: WindowExtent) -> None:
            key = sample_key(extent.meta, 0)
            values.append(self._value(reader, extent, key, places[extent.index]))
            keys.append(key)

        indices = list(places)
        runs: list[Run] = []
        done = 0
        while done < len(indices):
            run = self._user.use_run(reader, indices[done:], use)
            if run is None:
                return None
            runs.append(run)
            done += run.num_passed
        return runs

    def _value(self, reader: WindowReader, extent: WindowExtent, key: str, place: Location) -> Any:
        """Decode and transform a sample, with chance of its own."""
        decode, about, codec = self._custom.decode, extent.meta, extent.codec
        rng = self._chance.seed(place.epoch, key)
        with noting(sample_note("decode of", key, position=place.position, epoch=place.epoch)):
            if self._custom.takes_path:
                with reader.as_file(extent) as path:
                    (value,) = decode(path, about, codec, _THE_ONE)
            else:
                (value,) = decode(extent.data, about, codec, _THE_ONE)
        if self._custom.transform is None:
            return value
        with noting(sample_note("transform of", key, position=place.position, epoch=place.epoch)):
            return self._custom.transform(value, rng)
