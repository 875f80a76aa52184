"""Listing one dataset, as options name it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ConfigError
from penstock.extras import is_there, lacking
from penstock.manifest import ManifestInfo
from penstock.sources import ObjectSource, RequestMeter, open_source
from penstock.steps._shared import common
from penstock.steps._shared.listed_classes import seen_classes
from penstock.steps._shared.manifest_making import make_manifest
from penstock.steps._shared.task_options import read_options
from penstock.steps.options.listing import ListOptions
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task

if TYPE_CHECKING:  # a listing that someone waits for does without what a whole run may be told
    from penstock.steps.options.run import JobOptions

__all__ = ["check_named", "list_dataset", "refuse_early", "require_torch"]


def check_named(args: ListOptions | JobOptions) -> None:
    """Refuse options that say neither where a dataset lies nor what describes it.

    Raises:
        ConfigError: they do.
    """
    for name, told in (("source", "where the dataset lies"), ("task", "what is learnt")):
        if not getattr(args, name):
            raise ConfigError(f"--{name} is missing or empty", fix=f"say {told}, or give --dataset a file that does")


def refuse_early(args: ListOptions | JobOptions) -> None:
    """Refuse to go on with a part of what a file describes.

    Raises:
        ConfigError: that was asked for.
    """
    if args.stream_listing:
        raise ConfigError(
            "--stream-listing with --dataset", fix="leave it out: what a file says is done behind the whole listing"
        )


def require_torch(flag: str) -> None:
    """Refuse an option whose file is read with torch where that is not installed.

    Raises:
        ConfigError: it is not.
    """
    if not is_there("torch"):
        raise lacking(f"{flag} needs torch", "train", instead="say --source and --task")


def list_dataset(
    args: ListOptions,
    *,
    path: Path,
    seed: int,
    meter: RequestMeter,
    transform: str = "",
    told: ListOptions | None = None,
    on_part: Callable[[Path, ManifestInfo], None] | None = None,
) -> ManifestInfo:
    """List a dataset, make its samples and split them.

    Args:
        args: what is listed.
        path: of the manifest.
        seed: that splits are made by.
        meter: counts requests.
        told: whose options of the task the manifest says; None is ``args``.
        transform: as of ``make_manifest``, as is ``on_part``.

    Raises:
        PenstockError: it could not be listed, be used, be split or be written.
    """
    task = get_task(args.task)
    options = read_options(task, args.option, args.task_options)
    limits = Limits(
        max_files=args.max_files,
        releases=tuple(name for name in args.release.split(",") if name),
        mini=args.mini,
        skip_bad=args.on_bad_object == "skip",
        early=args.stream_listing,
    )
    source = open_source(common.source_from(args.source, args), meter=meter, purpose="listing")
    made = partial(
        make_manifest,
        source,
        task,
        path=path,
        limits=limits,
        options=options,
        told_options=None if told is None else read_options(task, told.option, told.task_options),
        fractions=args.split,
        by_sample=args.split_by == "sample",
        seed=seed,
        transform=transform,
        on_part=on_part,
        first_part_samples=args.first_part,
    )
    return asyncio.run(_made(source, made, path.parent))


async def _made(source: ObjectSource, made: Callable[[], Awaitable[ManifestInfo]], scratch: Path) -> ManifestInfo:
    """Make a manifest, and close the source, whatever comes of it."""
    try:
        with seen_classes(source, scratch):
            return await made()
    finally:
        source.close()
