"""A torch DataLoader over the window, whose place can be saved and taken up again.

One stream gives every epoch's segments in turn (training, then validation), so the prefetcher runs on across
their borders. Workers read the window themselves, each through its own map; batches arrive in plan order, and
the cursor moves when the consumer takes a batch: what is in flight is never overwritten.

The state is one number, the stream index after the last batch that was given.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from penstock.errors import CheckpointMismatch, PenstockError
from penstock.loader.protocols import Batch, LoaderState
from penstock.plan import locate, make_order, rank_batches
from penstock.plan.lanes import RankBatch
from penstock.records import ManifestInfo, Meters, Plan, StreamSpec
from penstock.window import WindowReader, WindowSample

__all__ = ["SampleDecoder", "SegmentLoader", "WindowStream"]

STATE_VERSION = 1


class SampleDecoder(Protocol):
    """Turns a sample's bytes into an array; ``rng`` is None outside of training."""

    def __call__(
        self, data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
    ) -> NDArray[np.float32]:
        """Give the array."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Settings:
    """What workers need; picklable."""

    folder: Path
    spec: StreamSpec
    decoder: SampleDecoder
    augmented: tuple[bool, ...]
    rank: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class _Failed:
    """An error on its way from a worker to the consumer, in order."""

    error: PenstockError


class _WindowDataset(Dataset[Any]):
    """Samples by stream index; a process's first use attaches it to the window."""

    def __init__(self, settings: _Settings) -> None:
        self._settings = settings
        self._reader: WindowReader | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_settings": self._settings, "_reader": None}

    def use(self, reader: WindowReader) -> None:
        """Read through this reader, and free each sample as soon as it is decoded."""
        self._reader = reader

    def __getitems__(self, indices: Sequence[int]) -> list[Batch | _Failed]:
        settings = self._settings
        inside_worker = torch.utils.data.get_worker_info() is not None
        if self._reader is None:
            self._reader = WindowReader(
                settings.folder, settings.spec, rank=settings.rank, timeout_seconds=settings.timeout_seconds
            ).attach()
        try:
            return [self._batch(self._reader, indices, free=not inside_worker)]
        except PenstockError as error:
            return [_Failed(error)]

    def _batch(self, reader: WindowReader, indices: Sequence[int], *, free: bool) -> Batch:
        arrays, metas = [], []
        for index in indices:
            sample = reader.get(index)
            arrays.append(self._decode(sample))
            metas.append(sample.meta)
            if free:
                reader.advance(index + 1)
        targets = [np.nan if meta.target is None else meta.target for meta in metas]
        return Batch(
            inputs=torch.from_numpy(np.stack(arrays)),
            targets=torch.tensor(targets, dtype=torch.float64),
            keys=tuple(meta.key for meta in metas),
            groups=tuple(meta.group for meta in metas),
        )

    def _decode(self, sample: WindowSample) -> NDArray[np.float32]:
        order = self._settings.spec.order
        place = locate(order, sample.index)
        rng = np.random.default_rng([order.seed, sample.index]) if self._settings.augmented[place.segment] else None
        return self._settings.decoder(sample.data, decode=sample.meta.decode, args=sample.meta.args, rng=rng)


class _BatchIndices(Sampler[list[int]]):
    def __init__(self, batches: Sequence[RankBatch] | Iterator[RankBatch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches:
            yield batch.indices.tolist()


def _only(items: list[Batch | _Failed]) -> Batch | _Failed:
    return items[0]


class WindowStream:
    """Batches of all segments of all epochs, through one window.

    Args:
        folder: the window's folder; a prefetcher serves it, or is about to.
        manifest: path of the manifest, as the prefetcher sees it.
        splits: ``(split, training)`` of each segment of an epoch, in order; training ones are shuffled and augmented.
        num_epochs: epochs that the stream is asked for.
        num_workers: processes that decode; 0 decodes in this one.
    """

    def __init__(
        self,
        *,
        folder: Path,
        manifest: Path,
        info: ManifestInfo,
        plan: Plan,
        splits: Sequence[tuple[str, bool]],
        decoder: SampleDecoder,
        batch_size: int,
        num_epochs: int,
        num_workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        timeout_seconds: float = 60.0,
    ) -> None:
        order = make_order(info, plan, splits)
        self._settings = _Settings(
            folder=folder,
            spec=StreamSpec(
                session="",
                manifest=str(manifest),
                manifest_fingerprint=info.fingerprint,
                plan_fingerprint=plan.fingerprint,
                order=order,
                first_index=0,
                end_index=order.num_samples * num_epochs,
                num_ranks=world_size,
                batch_samples=batch_size * world_size if num_workers else 1,
            ),
            decoder=decoder,
            augmented=tuple(training for _, training in splits),
            rank=rank,
            timeout_seconds=timeout_seconds,
        )
        self.order = order
        self._num_lanes = plan.num_lanes
        self._batch_size, self._world_size = batch_size, world_size
        self._num_workers = num_workers
        self._next_index = 0
        self._reader: WindowReader | None = None
        self._running: Iterator[tuple[RankBatch, Batch | _Failed]] | None = None
        self._past_meters = Meters()

    def segment(self, number: int) -> SegmentLoader:
        """Give the loader of one segment of each epoch."""
        return SegmentLoader(self, number)

    def batches(self, epoch: int, segment: int) -> Iterator[Batch]:
        """Give what is left of a segment of an epoch, from the stream's place on."""
        start = epoch * self.order.num_samples + sum(part.num_samples for part in self.order.segments[:segment])
        end = start + self.order.segments[segment].num_samples
        if self._next_index >= end:
            return
        if self._next_index < start:
            self._restart(start)
        while self._next_index < end:
            if self._running is None:
                self._running = self._run()
            indices, batch = next(self._running)
            if isinstance(batch, _Failed):
                self._stop()
                raise batch.error
            # The cursor moves when the next batch is asked for: until then this one may still be in the window.
            self._next_index = indices.next_index
            yield batch
            self._free()

    @property
    def next_index(self) -> int:
        """Stream index after the last batch that was given."""
        return self._next_index

    def state_dict(self) -> LoaderState:
        """Give the place after the last batch that was given."""
        spec = self._settings.spec
        return {
            "version": STATE_VERSION,
            "next_index": self._next_index,
            "manifest_fingerprint": spec.manifest_fingerprint,
            "plan_fingerprint": spec.plan_fingerprint,
            "order": msgspec.json.encode(spec.order).decode(),
            "batch_size": self._batch_size * self._world_size,
        }

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved place.

        Raises:
            CheckpointMismatch: it is of another plan, order, batch size or version.
        """
        for name, mine in self.state_dict().items():
            if name != "next_index" and state.get(name) != mine:
                raise CheckpointMismatch(
                    f"the saved place in the data is of another {name.replace('_', ' ')} "
                    f"({str(state.get(name))[:60]}, now {str(mine)[:60]})",
                    fix="go on with the options and the manifest that the run began with, or begin a new run",
                )
        self._restart(int(state["next_index"]))

    def meters(self) -> Meters:
        """Give what was moved so far."""
        now = self._reader.meters() if self._reader is not None else Meters()
        return self._past_meters.plus(now)

    def close(self) -> None:
        """Stop workers and let go of the window."""
        self._stop()

    def _restart(self, index: int) -> None:
        self._stop()
        self._next_index = index

    def _stop(self) -> None:
        self._running = None
        if self._reader is not None:
            self._past_meters = self._past_meters.plus(self._reader.meters())
            self._reader.close()
            self._reader = None

    def _free(self) -> None:
        if self._reader is not None:
            self._reader.advance(self._next_index)

    def _run(self) -> Iterator[tuple[RankBatch, Batch | _Failed]]:
        spec = msgspec.structs.replace(self._settings.spec, session=uuid.uuid4().hex, first_index=self._next_index)
        settings = replace(self._settings, spec=spec)
        self._reader = WindowReader(settings.folder, spec, rank=settings.rank, timeout_seconds=settings.timeout_seconds)
        self._reader.begin()
        plan = [
            rank_batches(
                spec.order,
                first_index=spec.first_index,
                end_index=spec.end_index,
                batch_size=self._batch_size,
                num_lanes=self._num_lanes,
                rank=settings.rank,
                world_size=self._world_size,
            )
            for _ in range(2)
        ]
        dataset = _WindowDataset(settings)
        if not self._num_workers:
            dataset.use(self._reader)
        loader = DataLoader(
            dataset,
            batch_sampler=_BatchIndices(plan[0]),
            collate_fn=_only,
            num_workers=self._num_workers,
            # Its own generator: the global one would be drawn from at each start, and a resumed run differ.
            generator=torch.Generator(),
        )
        yield from zip(plan[1], loader, strict=True)


class SegmentLoader:
    """One segment of each epoch of a stream: the training data, or the validation data."""

    def __init__(self, stream: WindowStream, number: int) -> None:
        self._stream = stream
        self._number = number

    @property
    def num_samples(self) -> int:
        """Samples of the segment in one epoch."""
        return self._stream.order.segments[self._number].num_samples

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Give what is left of the segment in an epoch."""
        return self._stream.batches(epoch, self._number)

    def state_dict(self) -> LoaderState:
        """Give the stream's place."""
        return self._stream.state_dict()

    def load_state_dict(self, state: LoaderState) -> None:
        """Take up a saved place of the stream."""
        self._stream.load_state_dict(state)

    def meters(self) -> Meters:
        """Give what the whole stream moved so far; told by the first segment alone, so that sums are right."""
        return self._stream.meters() if self._number == 0 else Meters()

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
