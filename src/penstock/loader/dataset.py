"""A torch dataset over the window: batches by their stream indices, in the trainer or in its workers.

A decoder may give a view of the window. Each sample is copied into its batch at once, and after those of one slot the
window is asked whether the bytes were still those of the session; only after that may the slot be used again. So no
batch holds bytes that changed under it, whatever happens to the session meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from penstock.errors import PenstockError
from penstock.loader.protocols import Batch
from penstock.plan import locate, stream_indices
from penstock.records import StreamSpec
from penstock.window import WindowReader, WindowSample
from penstock.window.layout import SampleMeta

__all__ = ["Custom", "Failed", "FeedSettings", "SampleDecoder", "WindowDataset"]


class SampleDecoder(Protocol):
    """Turns a sample's bytes into an array; ``rng`` is None outside of training, and not to be held on to."""

    def __call__(
        self, data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
    ) -> NDArray[np.float32]:
        """Give the array, of the same shape for all samples; it may be a view of ``data``."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Custom:
    """Batches of a caller's own kind.

    Attributes:
        decode: makes a value of a sample's bytes and key; it may be a view of the bytes.
        collate: makes a batch of the values; it must not hold on to them.
    """

    decode: Callable[[memoryview, str], Any]
    collate: Callable[[list[Any]], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedSettings:
    """What workers need; picklable."""

    folder: Path
    spec: StreamSpec
    decoder: SampleDecoder | Custom
    augmented: tuple[bool, ...]
    rank: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """An error on its way from a worker to the consumer, in order."""

    error: PenstockError


class WindowDataset(Dataset[Any]):
    """Samples by window index; a worker's first use attaches it to the window.

    Args:
        reader: reads for this process, and samples are freed as they are copied; None in workers.
    """

    def __init__(self, settings: FeedSettings, *, reader: WindowReader | None = None) -> None:
        self._settings = settings
        self._reader = reader
        self._frees = reader is not None
        self._chance = _Chance(settings.spec.order.seed)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Give one batch, or the error that one of its samples met."""
        settings = self._settings
        try:
            if self._reader is None:
                reader = WindowReader(
                    settings.folder, settings.spec, rank=settings.rank, timeout_seconds=settings.timeout_seconds
                )
                self._reader = reader.attach()
            if isinstance(settings.decoder, Custom):
                return [self._custom_batch(settings.decoder, self._reader, indices)]
            return [self._batch(settings.decoder, self._reader, indices)]
        except PenstockError as error:
            return [Failed(error)]

    def _batch(self, decoder: SampleDecoder, reader: WindowReader, indices: Sequence[int]) -> Batch:
        order = self._settings.spec.order
        numbers: list[int] = stream_indices(order, indices).tolist()
        # A batch is of one segment.
        augmented = self._settings.augmented[locate(order, numbers[0]).segment]
        inputs: NDArray[np.float32] | None = None
        metas: list[SampleMeta] = []

        def use(sample: WindowSample) -> None:
            nonlocal inputs
            meta, rng = sample.meta, self._chance.of(numbers[len(metas)]) if augmented else None
            array = decoder(sample.data, decode=meta.decode, args=meta.args, rng=rng)
            if inputs is None:
                inputs = np.empty((len(indices), *array.shape), dtype=array.dtype)
            inputs[len(metas)] = array
            metas.append(meta)

        while len(metas) < len(indices):
            done = len(metas)
            if _use_run(reader, indices[done:], use) is None:
                del metas[done:]
            elif self._frees:
                reader.advance(indices[len(metas) - 1] + 1)
        assert inputs is not None
        targets = np.array([np.nan if meta.target is None else meta.target for meta in metas], dtype=np.float64)
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.from_numpy(targets),
            keys=tuple(meta.key for meta in metas),
            groups=tuple(meta.group for meta in metas),
        )

    def _custom_batch(self, custom: Custom, reader: WindowReader, indices: Sequence[int]) -> Any:
        """Give a caller's batch; its samples stay in the window until it is made."""
        while True:
            values: list[Any] = []
            runs = self._decode_runs(custom, reader, indices, values)
            if runs is None:
                continue
            batch = custom.collate(values)
            if reader.is_intact(*runs):
                return batch

    def _decode_runs(
        self, custom: Custom, reader: WindowReader, indices: Sequence[int], values: list[Any]
    ) -> list[WindowSample] | None:
        """Decode all samples; give the first one of each run, or None where the window changed under one."""

        def use(sample: WindowSample) -> None:
            values.append(custom.decode(sample.data, sample.meta.key))

        runs = []
        while len(values) < len(indices):
            first = _use_run(reader, indices[len(values) :], use)
            if first is None:
                return None
            runs.append(first)
        return runs


def _use_run(reader: WindowReader, indices: Sequence[int], use: Callable[[WindowSample], None]) -> WindowSample | None:
    """Use a run of samples; give its first, or None where the window changed under it and nothing of it counts."""
    first: WindowSample | None = None
    try:
        for sample in reader.run(indices):
            first = first or sample
            use(sample)
    except Exception:
        # Whoever meets bytes that changed under it may fail for that alone.
        if first is None or reader.is_intact(first):
            raise
        return None
    assert first is not None
    return first if reader.is_intact(first) else None


class _Chance:
    """Random numbers of each sample's own: Philox, keyed by seed and stream index.

    A counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") is moved to another
    stream by setting its key, which takes 1 us; making a generator takes 14.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._bits)
        self._key = np.array([seed % 2**64, 0], dtype=np.uint64)
        self._start = self._bits.state
        self._start["state"]["key"] = self._key

    def of(self, index: int) -> np.random.Generator:
        """Give the sample's generator, good until that of the next one is asked for."""
        self._key[1] = index
        self._bits.state = self._start
        return self._generator
