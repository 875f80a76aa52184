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
from penstock.loader.batch_memory import BatchMemory
from penstock.loader.protocols import Batch
from penstock.loader.using import Chance, Run, SampleUser
from penstock.plan import locate, stream_indices
from penstock.records import SkippedSample, StreamSpec
from penstock.window import WindowReader, WindowSample
from penstock.window.layout import SampleMeta

__all__ = ["Custom", "Failed", "FeedSettings", "SampleDecoder", "Thinned", "WindowDataset"]


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
        takes_path: ``decode`` is given the path of a file that holds the bytes, instead of them; the file is gone
            when it returns.
        collate: makes a batch of the values; it must not hold on to them.
    """

    decode: Callable[[memoryview, str], Any] | Callable[[Path, str], Any]
    collate: Callable[[list[Any]], Any]
    takes_path: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedSettings:
    """What workers need; picklable."""

    folder: Path
    spec: StreamSpec
    decoder: SampleDecoder | Custom
    augmented: tuple[bool, ...]
    rank: int
    timeout_seconds: float
    pin_memory: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """An error on its way from a worker to the consumer, in order."""

    error: PenstockError


@dataclass(frozen=True, slots=True)
class Thinned:
    """A batch that lacks samples, which were bad; None where none is left."""

    batch: Any
    skipped: tuple[SkippedSample, ...]


class WindowDataset(Dataset[Any]):
    """Samples by window index; a worker's first use attaches it to the window.

    Args:
        reader: reads for this process, and samples are freed as they are copied; None in workers.
    """

    def __init__(self, settings: FeedSettings, *, reader: WindowReader | None = None) -> None:
        self._settings = settings
        self._reader = reader
        self._frees = reader is not None
        self._chance = Chance(settings.spec.order.seed)
        self._memory = BatchMemory()
        self._user = SampleUser(skips=settings.spec.on_bad_sample == "skip")

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Give one batch, what is left of it, or the error that one of its samples met."""
        settings = self._settings
        try:
            if self._reader is None:
                reader = WindowReader(
                    settings.folder, settings.spec, rank=settings.rank, timeout_seconds=settings.timeout_seconds
                )
                self._reader = reader.attach()
            skipped: list[SkippedSample] = []
            if isinstance(settings.decoder, Custom):
                batch = self._custom_batch(settings.decoder, self._reader, indices, skipped)
                if self._frees:
                    self._reader.advance(indices[-1] + 1)
            else:
                batch = self._batch(settings.decoder, self._reader, indices, skipped)
            return [Thinned(batch, tuple(skipped)) if skipped else batch]
        except PenstockError as error:
            return [Failed(error)]

    def _batch(
        self, decoder: SampleDecoder, reader: WindowReader, indices: Sequence[int], skipped: list[SkippedSample]
    ) -> Batch | None:
        order = self._settings.spec.order
        numbers = dict(zip(indices, stream_indices(order, indices).tolist(), strict=True))
        # A batch is of one segment.
        augmented = self._settings.augmented[locate(order, numbers[indices[0]]).segment]
        inputs: NDArray[np.float32] | None = None
        tensor = torch.empty(0)
        metas: list[SampleMeta] = []

        def use(sample: WindowSample) -> None:
            nonlocal inputs, tensor
            meta, rng = sample.meta, self._chance.of(numbers[sample.index]) if augmented else None
            array = decoder(sample.data, decode=meta.decode, args=meta.args, rng=rng)
            if inputs is None:
                tensor = self._empty((len(indices), *array.shape), array.dtype)
                inputs = tensor.numpy()
            inputs[len(metas)] = array
            metas.append(meta)

        done = 0
        while done < len(indices):
            good = len(metas)
            run = self._user.use_run(reader, indices[done:], use)
            if run is None:
                del metas[good:]
                continue
            done += run.num_passed
            skipped += run.skipped
            if self._frees:
                reader.advance(indices[done - 1] + 1)
        if inputs is None or not metas:
            return None
        targets = np.array([np.nan if meta.target is None else meta.target for meta in metas], dtype=np.float64)
        return Batch(
            inputs=tensor[: len(metas)],
            targets=torch.from_numpy(targets),
            keys=tuple(meta.key for meta in metas),
            groups=tuple(meta.group for meta in metas),
        )

    def _empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> torch.Tensor:
        # Workers must not touch CUDA: their batches are pinned by the loader. torch keeps pinned memory for itself.
        if self._settings.pin_memory and self._frees:
            return torch.empty(shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype, pin_memory=True)
        return self._memory.empty(shape, dtype)

    def _custom_batch(
        self, custom: Custom, reader: WindowReader, indices: Sequence[int], skipped: list[SkippedSample]
    ) -> Any:
        """Give a caller's batch; its samples stay in the window until it is made."""
        while True:
            values: list[Any] = []
            runs = self._decode_runs(custom, reader, indices, values)
            if runs is None:
                continue
            batch = custom.collate(values) if values else None
            if reader.is_intact(*(run.first for run in runs if run.first is not None)):
                skipped += [bad for run in runs for bad in run.skipped]
                return batch

    def _decode_runs(
        self, custom: Custom, reader: WindowReader, indices: Sequence[int], values: list[Any]
    ) -> list[Run] | None:
        """Decode all samples; give their runs, or None where the window changed under one."""

        decode: Callable[[Any, str], Any] = custom.decode

        def use(sample: WindowSample) -> None:
            if not custom.takes_path:
                values.append(decode(sample.data, sample.meta.key))
                return
            with reader.as_file(sample) as path:
                values.append(decode(path, sample.meta.key))

        runs: list[Run] = []
        done = 0
        while done < len(indices):
            run = self._user.use_run(reader, indices[done:], use)
            if run is None:
                return None
            runs.append(run)
            done += run.num_passed
        return runs
