"""A torch dataset over the window: batches by their stream indices, in the trainer or in its workers.

A decoder may give a view of the window. Each sample is copied into its batch at once, and then the window is asked
whether the bytes were still those of the session; only after that may its slot be used again. So no batch holds
bytes that changed under it, whatever happens to the session meanwhile.
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
from penstock.plan import locate
from penstock.records import StreamSpec
from penstock.window import WindowReader, WindowSample

__all__ = ["Custom", "Failed", "FeedSettings", "SampleDecoder", "WindowDataset"]


class SampleDecoder(Protocol):
    """Turns a sample's bytes into an array; ``rng`` is None outside of training."""

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
    """Samples by stream index; a worker's first use attaches it to the window.

    Args:
        reader: reads for this process, and each sample is freed as it is copied; None in workers.
    """

    def __init__(self, settings: FeedSettings, *, reader: WindowReader | None = None) -> None:
        self._settings = settings
        self._reader = reader
        self._frees = reader is not None

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
                return [_custom_batch(settings.decoder, self._reader, indices)]
            return [self._batch(settings.decoder, self._reader, indices)]
        except PenstockError as error:
            return [Failed(error)]

    def _batch(self, decoder: SampleDecoder, reader: WindowReader, indices: Sequence[int]) -> Batch:
        inputs: NDArray[np.float32] | None = None
        metas = []
        for position, index in enumerate(indices):
            while True:
                sample = reader.get(index)
                array = self._decode(decoder, sample)
                if inputs is None:
                    inputs = np.empty((len(indices), *array.shape), dtype=array.dtype)
                inputs[position] = array
                if reader.is_intact(sample):
                    break
            metas.append(sample.meta)
            if self._frees:
                reader.advance(index + 1)
        assert inputs is not None
        targets = [np.nan if meta.target is None else meta.target for meta in metas]
        return Batch(
            inputs=torch.from_numpy(inputs),
            targets=torch.tensor(targets, dtype=torch.float64),
            keys=tuple(meta.key for meta in metas),
            groups=tuple(meta.group for meta in metas),
        )

    def _decode(self, decoder: SampleDecoder, sample: WindowSample) -> NDArray[np.float32]:
        order = self._settings.spec.order
        place = locate(order, sample.index)
        rng = None
        if self._settings.augmented[place.segment]:
            rng = np.random.default_rng([order.seed % 2**64, sample.index])
        return decoder(sample.data, decode=sample.meta.decode, args=sample.meta.args, rng=rng)


def _custom_batch(custom: Custom, reader: WindowReader, indices: Sequence[int]) -> Any:
    """Give a caller's batch; its samples stay in the window until it is made."""
    while True:
        samples = [reader.get(index) for index in indices]
        batch = custom.collate([custom.decode(sample.data, sample.meta.key) for sample in samples])
        if reader.is_intact(*samples):
            return batch
