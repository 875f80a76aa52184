"""A torch dataset over the window: batches by their stream indices, in the trainer or in its workers.

A decoder may give a view of the window. Each sample is copied into its batch at once, and after those of one slot the
window is asked whether the bytes were still those of the session; only after that may the slot be used again. So no
batch holds bytes that changed under it, whatever happens to the session meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from penstock.errors import ConfigError, DataError
from penstock.loader.batch_memory import BatchMemory
from penstock.loader.chance import Chance
from penstock.loader.custom import ByKey, Custom, CustomBatches
from penstock.loader.failures import Failed, sample_note
from penstock.loader.in_window import ManySamples, OneSample
from penstock.loader.many import Joiner, PartMaker
from penstock.loader.protocols import Batch
from penstock.loader.using import SampleUser
from penstock.manifest import Sample, sample_of
from penstock.plan import locate, stream_indices
from penstock.records import SkippedSample, StreamSpec
from penstock.window import WindowExtent, WindowReader

__all__ = ["Custom", "Failed", "FeedSettings", "Many", "SampleDecoder", "Thinned", "WindowDataset", "many_of"]


class SampleDecoder(Protocol):
    """Turns a sample's bytes into an array; ``rng`` is None outside of training, and not to be held on to."""

    def __call__(
        self, data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
    ) -> NDArray[np.float32]:
        """Give the array, of the same shape for all samples; it may be a view of ``data``."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Many:
    """What is needed besides where extents hold several samples.

    Attributes:
        rank: of the ``world_size`` ranks that read the stream.
        num_workers: that share the extents of this rank; 0 where there are none.
    """

    decoder: Custom
    places: ManySamples
    rank: int
    world_size: int
    num_workers: int


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
    many: Many | None = None


@dataclass(frozen=True, slots=True)
class Thinned:
    """A batch that lacks samples, which were bad; None where none is left."""

    batch: Any
    skipped: tuple[SkippedSample, ...]


def many_of(
    places: OneSample | ManySamples, decoder: SampleDecoder | Custom, *, rank: int, world_size: int, num_workers: int
) -> Many | None:
    """Give what is needed where extents hold several samples, None where they do not.

    Raises:
        ConfigError: the decoder is of extents of one sample.
    """
    if isinstance(places, OneSample):
        return None
    if not isinstance(decoder, Custom) or isinstance(decoder.decode, ByKey):
        raise ConfigError(
            "the decoder is given one sample at a time, and this dataset has extents that hold several",
            fix="read it with the decoder of its format",
        )
    return Many(decoder=decoder, places=places, rank=rank, world_size=world_size, num_workers=num_workers)


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
        self._makers: dict[int, PartMaker] = {}
        self._custom: CustomBatches | None = None
        if isinstance(settings.decoder, Custom):
            self._custom = CustomBatches(
                settings.decoder, order=settings.spec.order, user=self._user, restores=self._frees
            )

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Give one batch, what is left of it, or the error that one of its samples met."""
        settings = self._settings
        try:
            if self._reader is None:
                reader = WindowReader(
                    settings.folder, settings.spec, rank=settings.rank, timeout_seconds=settings.timeout_seconds
                )
                self._reader = reader.attach()
            if settings.many is not None:
                return [self._many(settings.many, self._reader, indices)]
            skipped: list[SkippedSample] = []
            if self._custom is not None:
                batch = self._custom.make(self._reader, indices, skipped)
                if self._frees:
                    self._reader.advance(indices[-1] + 1)
            else:
                assert not isinstance(settings.decoder, Custom)
                batch = self._batch(settings.decoder, self._reader, indices, skipped)
            return [Thinned(batch, tuple(skipped)) if skipped else batch]
        except KeyboardInterrupt as error:
            if self._frees:  # of whoever stops this process; workers do not hear it
                raise
            return [Failed.of(error)]
        except BaseException as error:
            return [Failed.of(error)]

    def _many(self, many: Many, reader: WindowReader, indices: Sequence[int]) -> Any:
        """Give a batch, or in a worker, by its number and the batch's indices, a part of one."""
        worker, asked = (0, indices) if self._frees else (indices[0], indices[1:])
        maker = self._makers.get(worker)
        if maker is None:
            maker = self._makers[worker] = PartMaker(
                many.decoder,
                many.places,
                user=self._user,
                rank=many.rank,
                world_size=many.world_size,
                frees=self._frees,
                worker=worker,
                num_workers=max(1, many.num_workers),
            )
        part = maker.make(reader, asked)
        if not self._frees:
            return part.packed()
        batch, skipped = Joiner(many.decoder, seed=self._settings.spec.order.seed).join([part])
        return Thinned(batch, skipped) if skipped else batch

    def _batch(
        self, decoder: SampleDecoder, reader: WindowReader, indices: Sequence[int], skipped: list[SkippedSample]
    ) -> Batch | None:
        order = self._settings.spec.order
        numbers = dict(zip(indices, stream_indices(order, indices).tolist(), strict=True))
        # A batch is of one segment.
        augmented = self._settings.augmented[locate(order, numbers[indices[0]]).segment]
        inputs: NDArray[np.float32] | None = None
        tensor = torch.empty(0)
        samples: list[Sample] = []

        def use(extent: WindowExtent) -> None:
            nonlocal inputs, tensor
            sample, rng = sample_of(extent.meta, 0), self._chance.of(numbers[extent.index]) if augmented else None
            try:
                array = decoder(extent.data, decode=extent.codec, args=sample.args, rng=rng)
            except BaseException as error:
                place = locate(order, numbers[extent.index])
                if isinstance(error, DataError):
                    error.name(sample.key)
                error.add_note(sample_note("decode of", sample.key, position=place.position, epoch=place.epoch))
                raise
            if inputs is None:
                tensor = self._empty((len(indices), *array.shape), array.dtype)
                inputs = tensor.numpy()
            inputs[len(samples)] = array
            samples.append(sample)

        done = 0
        while done < len(indices):
            good = len(samples)
            run = self._user.use_run(reader, indices[done:], use)
            if run is None:
                del samples[good:]
                continue
            done += run.num_passed
            skipped += run.skipped
            if self._frees:
                reader.advance(indices[done - 1] + 1)
        if inputs is None or not samples:
            return None
        targets = np.array([np.nan if each.target is None else each.target for each in samples], dtype=np.float64)
        return Batch(
            inputs=tensor[: len(samples)],
            targets=torch.from_numpy(targets),
            keys=tuple(each.key for each in samples),
            groups=tuple(each.group for each in samples),
        )

    def _empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> torch.Tensor:
        # Workers must not touch CUDA: their batches are pinned by the loader. torch keeps pinned memory for itself.
        if self._settings.pin_memory and self._frees:
            return torch.empty(shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype, pin_memory=True)
        return self._memory.empty(shape, dtype)
