"""A torch dataset over the window: batches by their stream indices, in the trainer or in its workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from penstock.allocating import keep_freed_memory
from penstock.errors import ConfigError
from penstock.loader.decoding import ByKey, Decoding
from penstock.loader.failures import Failed
from penstock.loader.in_window import ManySamples, OneSample
from penstock.loader.many import Joiner, PartMaker
from penstock.loader.one import OneByOne
from penstock.loader.sharing import NodeRanks
from penstock.loader.using import SampleUser
from penstock.records import SkippedSample, StreamSpec
from penstock.window import WindowReader

__all__ = ["FeedSettings", "Many", "Thinned", "WindowDataset", "many_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Many:
    """What is needed besides where extents hold several samples.

    Attributes:
        rank: of the ``world_size`` ranks that read the stream.
        num_workers: that share the extents of this rank; 0 where there are none.
        node: ranks that share the window.
    """

    decoding: Decoding
    places: ManySamples
    rank: int
    world_size: int
    num_workers: int
    node: range


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedSettings:
    """What workers need; picklable.

    Attributes:
        trained: of each segment, whether its samples are trained on.
    """

    folder: Path
    spec: StreamSpec
    decoding: Decoding
    trained: tuple[bool, ...]
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
    places: OneSample | ManySamples, decoding: Decoding, *, rank: int, world_size: int, num_workers: int, node: range
) -> Many | None:
    """Return what is needed where extents hold several samples, None where they do not.

    Raises:
        ConfigError: the decoder is of extents of one sample.
    """
    if isinstance(places, OneSample):
        return None
    if isinstance(decoding.decode, ByKey):
        raise ConfigError(
            "the decoder is given one sample at a time, and this dataset has extents that hold several",
            fix="read it with the decoder of its format",
        )
    return Many(decoding=decoding, places=places, rank=rank, world_size=world_size, num_workers=num_workers, node=node)


class WindowDataset(Dataset[Any]):
    """Samples by window index; a worker's first use attaches it to the window.

    Args:
        reader: reads for this process, and samples are freed as they are copied; None in workers.
    """

    def __init__(self, settings: FeedSettings, *, reader: WindowReader | None = None) -> None:
        self._settings = settings
        self._reader = reader
        self._frees = reader is not None
        self._user = SampleUser(skips=settings.spec.on_bad_sample == "skip")
        self._makers: dict[int, PartMaker] = {}
        self._one = OneByOne(
            settings.decoding,
            order=settings.spec.order,
            trained=settings.trained,
            user=self._user,
            frees=self._frees,
        )

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return one batch, what is left of it, or the error that one of its samples met."""
        settings = self._settings
        keep_freed_memory()
        try:
            if self._reader is None:
                reader = WindowReader(
                    settings.folder, settings.spec, rank=settings.rank, timeout_seconds=settings.timeout_seconds
                )
                self._reader = reader.attach()
            if settings.many is not None:
                return [self._many(settings.many, self._reader, indices)]
            skipped: list[SkippedSample] = []
            batch = self._one.make(self._reader, indices, skipped)
            return [Thinned(batch, tuple(skipped)) if skipped else batch]
        except KeyboardInterrupt as error:
            if self._frees:  # of whoever stops this process; workers do not hear it
                raise
            return [Failed.of(error)]
        except BaseException as error:
            return [Failed.of(error)]

    def _node(self, many: Many) -> NodeRanks | None:
        settings = self._settings
        if len(many.node) == 1:
            return None
        return NodeRanks(
            session=settings.spec.session,
            rank=many.rank,
            ranks=many.node,
            timeout_seconds=settings.timeout_seconds,
        )

    def _many(self, many: Many, reader: WindowReader, indices: Sequence[int]) -> Any:
        """Return a batch, or in a worker, by its number and the batch's indices, a part of one."""
        worker, asked = (0, indices) if self._frees else (indices[0], indices[1:])
        maker = self._makers.get(worker)
        if maker is None:
            maker = self._makers[worker] = PartMaker(
                many.decoding,
                many.places,
                trained=self._settings.trained,
                user=self._user,
                rank=many.rank,
                world_size=many.world_size,
                frees=self._frees,
                worker=worker,
                num_workers=max(1, many.num_workers),
                node=self._node(many),
            )
        part = maker.make(reader, asked)
        if not self._frees:
            return part.packed()
        batch, skipped = Joiner(many.decoding, seed=self._settings.spec.order.seed).join([part])
        return Thinned(batch, skipped) if skipped else batch
