"""Opening a window and its prefetcher for a step that feeds a network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.loader import Decoding, WindowStream
from penstock.loader.collate import ReusingCollate
from penstock.loader.dataset_stream import DatasetStream
from penstock.loader.protocols import BatchLoader
from penstock.loader.samples import named_decoding
from penstock.manifest import ManifestInfo
from penstock.manifest.following import open_listing
from penstock.manifest.listed import Listed, Listing
from penstock.manifest.trained_on import TrainedOn, trained_on
from penstock.recipes.protocols import OwnFeed
from penstock.recipes.registry import recipe_of
from penstock.records import Meters, MixShare
from penstock.steps._shared.metering import Metering
from penstock.steps._shared.ranks import ONE_RANK, Ranks
from penstock.steps._shared.transforming import check_agreed, transform_of
from penstock.steps._shared.window import ServedWindow, served_window
from penstock.steps.options.data import FeedOptions
from penstock.tasks.protocols import Collates, Task
from penstock.tasks.registry import get_task, window_bytes_of
from penstock.tasks.stored import StoredDecode
from penstock.window import Prefetcher
from penstock.window.look import WindowLook, look_at

if TYPE_CHECKING:
    from penstock.steps._shared.mixed_stream import MixedStream

__all__ = ["OpenedDataset", "OpenedFeed", "decoding_of", "fed", "open_dataset", "open_stream", "skipped_line"]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedDataset:
    """What `penstock list` made, or makes.

    Attributes:
        first: first part of the listing; everything where it was waited for.
        transform: what samples go through on their way into a batch.
    """

    listing: Listing
    first: Listed
    task: Task
    transform: Callable[[Any, Any], Any] | None = None

    def trained_on(self) -> TrainedOn:
        """Describe the training split; waits for the end of the listing."""
        return trained_on(self.listing.whole().manifest)


def open_dataset(args: FeedOptions, *, goes_on: bool = False, has_begun: bool = False) -> OpenedDataset:
    """Open what was listed, or is being listed; waits for its first part.

    Args:
        goes_on: whether to follow the listing part by part.
        has_begun: whether it is known to be at work.

    Raises:
        RecordError: manifest or plan cannot be read, or they do not belong together.
        PenstockError: the listing failed, or there is none.
        ConfigError: nobody agreed that its transform is run, or that cannot be imported.
    """
    listing = open_listing(
        args.manifest, args.plan, goes_on=goes_on, timeout_seconds=args.prefetch_timeout, has_begun=has_begun
    )
    first = listing.part(0) or listing.whole()
    task = get_task(first.info.task)
    check_agreed(first.info.transform, args.transform)
    return OpenedDataset(listing=listing, first=first, task=task, transform=transform_of(task, first.info))


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedFeed:
    """A stream, and what fills its window.

    Attributes:
        prefetchers: children of this process; none where a sidecar serves the window.
        windows: that are read through.
    """

    stream: DatasetStream | MixedStream
    prefetchers: Sequence[Prefetcher] = ()
    windows: Sequence[ServedWindow] = ()

    def look(self) -> WindowLook:
        """Return what the windows hold and have moved."""
        return look_at([(each.folder, each.meters) for each in self.windows])

    def shares(self) -> tuple[MixShare, ...]:
        """Return what each member of a mix gave; nothing where there is none."""
        return getattr(self.stream, "shares", ())

    def end(self) -> dict[str, Meters]:
        """End both, and return what was requested: nothing is sent any more, but by a sidecar that reads ahead."""
        self.stream.close()
        for prefetcher in self.prefetchers:
            prefetcher.close()
        return self.stream.traffic()


@contextlib.contextmanager
def open_stream(
    data: OpenedDataset,
    args: FeedOptions,
    *,
    splits: Sequence[tuple[str, bool]],
    batch_size: int,
    num_epochs: int,
    ranks: Ranks = ONE_RANK,
    pin_memory: bool = False,
    metering: Metering,
) -> Iterator[OpenedFeed]:
    """Start a prefetcher unless a sidecar serves the window, and yield the stream; close both at the end.

    Splits that have no samples are left out, but for the first.
    """
    args = args.but(window_size=window_bytes_of(data.task.name, args.window_size))
    mixing = data.first.plan.mixing
    if mixing is not None:
        from penstock.steps._shared.mix_opening import open_mix  # here: few datasets are mixes

        with open_mix(
            data.first,
            mixing,
            args,
            decoding=decoding_of(data, is_pinned=pin_memory),
            splits=splits,
            batch_size=batch_size,
            num_epochs=num_epochs,
            metering=metering,
        ) as (mixed, windows):
            yield _opened(mixed, windows)
        return
    with served_window(args, metering) as window:

        def open_over(listed: Listed, splits: Sequence[tuple[str, bool]], num_epochs: int) -> WindowStream:
            return WindowStream(
                folder=window.folder,
                manifest=window.place(listed.manifest),
                info=listed.info,
                plan=listed.plan,
                splits=splits,
                decoding=decoding_of(data, is_pinned=pin_memory and not args.workers),
                batch_size=batch_size,
                num_epochs=num_epochs,
                num_workers=args.workers,
                prefetcher=window.prefetcher,
                rank=ranks.rank,
                world_size=ranks.world_size,
                local_rank=ranks.local_rank,
                local_world_size=ranks.local_world_size,
                timeout_seconds=args.prefetch_timeout,
                on_bad_sample=args.on_bad_sample,
                pin_memory=pin_memory,
                owner=metering.owner,
                most_requests=metering.most_requests(),
                meters=window.meters,
            )

        stream = DatasetStream(data.listing, open_stream=open_over, num_epochs=num_epochs, splits=splits)
        with contextlib.closing(stream):
            yield _opened(stream, [window])


def _opened(stream: DatasetStream | MixedStream, windows: Sequence[ServedWindow]) -> OpenedFeed:
    prefetchers = {id(each): each for window in windows if (each := window.prefetcher) is not None}
    return OpenedFeed(stream=stream, prefetchers=list(prefetchers.values()), windows=windows)


def decoding_of(data: OpenedDataset, *, is_pinned: bool = False) -> Decoding:
    """Return what makes batches of a dataset's extents: its task's decoder, transforms, and a collate.

    Args:
        is_pinned: make batches in page-locked memory; needs CUDA.
    """
    task = data.task
    return named_decoding(
        StoredDecode(task),
        transform=data.transform,
        collate=task.collate if isinstance(task, Collates) else ReusingCollate(is_pinned=is_pinned),
    )


def fed(task: Task, loader: BatchLoader, info: ManifestInfo, *, batch_size: int, is_trained: bool) -> BatchLoader:
    """Return the batches that a task's recipe makes of a loader's: those themselves, unless it has its own way."""
    recipe = recipe_of(task.name)
    if not isinstance(recipe, OwnFeed):
        return loader
    return recipe.fed(loader, info, batch_size=batch_size, is_trained=is_trained)


def skipped_line(meters: Meters) -> str:
    """Name what was left out, nothing where nothing was."""
    if not meters.num_skipped:
        return ""
    named = "; ".join(f"{sample.key} ({sample.reason})" for sample in meters.skipped[:3])
    return f"  left out {meters.num_skipped} times a bad sample: {named}\n"
