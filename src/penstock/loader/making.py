"""The batches of one session: put together in this process, or by workers."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from penstock.loader.dataset import FeedSettings, Many, Thinned, WindowDataset
from penstock.loader.failures import Failed
from penstock.loader.many import BatchPart, Joiner
from penstock.loader.protocols import Batch
from penstock.loader.workers import Workers, begin_worker, sockets_parent
from penstock.plan import window_indices
from penstock.plan.lanes import RankBatch
from penstock.temporary import TemporaryFolder
from penstock.window import WindowReader

__all__ = ["Made", "made_by_workers", "made_here"]

Made = Batch | Thinned | Failed
"""What a session gives: a batch, what is left of one, or the error that it met."""


class _BatchIndices(Sampler[list[int]]):
    """What a batch is asked for by: window indices; or of extents of several samples stream indices, once a worker."""

    def __init__(self, batches: Iterator[RankBatch], settings: FeedSettings) -> None:
        self._batches = batches
        self._settings = settings

    def __iter__(self) -> Iterator[list[int]]:
        order, many = self._settings.spec.order, self._settings.many
        for batch in self._batches:
            if many is None:
                yield window_indices(order, batch.indices).tolist()
            elif not many.num_workers:
                yield batch.indices.tolist()
            else:
                yield from ([worker, *batch.indices.tolist()] for worker in range(many.num_workers))


def made_here(settings: FeedSettings, reader: WindowReader, plan: Iterator[RankBatch]) -> Iterator[Made]:
    """Make batches in whatever thread asks for them."""
    return iter(_loader(settings, reader, plan))


def made_by_workers(
    settings: FeedSettings, reader: WindowReader, plan: Iterator[RankBatch], *, num_workers: int
) -> Generator[Made, None, None]:
    """Have workers make batches; they are gone when the generator is closed.

    Args:
        reader: of this process, whose session they read along with.

    Raises:
        ProcessLost: a worker ended.
    """
    with TemporaryFolder("penstock-workers-", sockets_parent()) as folder:
        init = partial(begin_worker, os.getpid(), folder, "PYTHONSAFEPATH" in os.environ)
        of_workers = {"num_workers": num_workers, "worker_init_fn": init, "pin_memory": settings.pin_memory}
        with Workers(_loader(settings, None, plan, **of_workers), before_end=reader.end) as batches:
            yield from batches if settings.many is None else _joined(settings.many, batches, settings)


def _joined(many: Many, parts: Iterator[Any], settings: FeedSettings) -> Iterator[Made]:
    """Put together what workers made of each batch."""
    joiner = Joiner(many.decoding, seed=settings.spec.order.seed)
    while found := list(islice(parts, many.num_workers)):
        failed = next((part for part in found if isinstance(part, Failed)), None)
        if failed is not None:
            yield failed
            continue
        try:
            batch, skipped = joiner.join([BatchPart.unpacked(part) for part in found])
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            yield Failed.of(error)
        else:
            yield Thinned(batch, skipped) if skipped else batch


def _loader(
    settings: FeedSettings, reader: WindowReader | None, plan: Iterator[RankBatch], **of_workers: Any
) -> DataLoader[Any]:
    return DataLoader(
        WindowDataset(settings, reader=reader),
        batch_sampler=_BatchIndices(plan, settings),
        collate_fn=_only,
        # Its own generator: the global one would be drawn from at each start, and a resumed run differ.
        generator=torch.Generator(),
        **of_workers,
    )


def _only(items: list[Made]) -> Made:
    return items[0]
