"""The modes of a job: where its bytes come from after the first time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError
from penstock.manifest.listed import read_listed
from penstock.options.window import WindowOptions
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.store_pass import fill_store
from penstock.steps._shared.storing import SampleStore
from penstock.steps.options.run import JobOptions
from penstock.window import asked_cache, check_cache_place, refuse_cache_of_sidecar

__all__ = ["Listing", "check_cache", "check_store", "in_mode", "listing_of", "stored"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What a job's steps read: the listing, or a store that was made of it."""

    manifest: Path
    plan: Path


def in_mode(args: JobOptions, files: JobFiles) -> JobOptions:
    """Return the options of a job with what its mode makes of those of its steps.

    Raises:
        ConfigError: they do not go together.
    """
    if args.store is not None and args.mode != "preprocess":
        raise ConfigError(
            f"--store {args.store} beside --mode {args.mode}, which stores nothing there",
            fix="pass --mode preprocess, or leave --store out",
        )
    if args.mode == "preprocess" and args.stream_listing:
        raise ConfigError(
            "--mode preprocess and --stream-listing are both given: all is read before training begins",
            fix="leave one of them out",
        )
    if args.mode == "cache":
        return args.but(cache=args.cache or files.cache)
    if args.cache is not None:
        raise ConfigError(
            f"--cache {args.cache} beside --mode {args.mode}, which keeps nothing there",
            fix="pass --mode cache, or leave --cache out",
        )
    return args


def check_cache(args: WindowOptions) -> None:
    """Refuse a cache that nothing fits, in somebody's folder, on a disk without room, or that nobody would fill.

    Raises:
        ConfigError, DiskFull, NotOurs: it is so.
    """
    cache = asked_cache(args)
    if cache is not None:
        check_cache_place(*cache)
    if args.prefetch == "sidecar":
        refuse_cache_of_sidecar(args)


def check_store(args: JobOptions) -> None:
    """Refuse a store in somebody's folder.

    Raises:
        NotOurs: it is so.
    """
    if args.store is not None:
        SampleStore(args.store.absolute()).refuse_others()


def listing_of(files: JobFiles) -> Listing:
    """Return a job's listing."""
    return Listing(manifest=files.manifest, plan=files.plan)


def stored(args: JobOptions, files: JobFiles, *, most_requests: int | None = None) -> Listing:
    """Return what the steps of a job read, after its samples were stored.

    Args:
        args: with the window and the meters of the job.
        most_requests: that may be made, those of earlier attempts included; None sets no bound.

    Raises:
        BudgetSpent: they were made.
        ConfigError: ``--store`` holds the samples of another listing.
        PenstockError: they could not be stored.
    """
    store = SampleStore((args.store or files.store).absolute())
    if args.store is None and store.folder.exists() and not store.is_of(read_listed(files.manifest, files.plan)):
        shutil.rmtree(store.folder)  # the job's own, from when its options were others
    fill_store(
        store,
        files.manifest,
        files.plan,
        args,
        on_bad_sample=args.on_bad_sample,
        record=files.store_record,
        most_requests=most_requests,
    )
    return Listing(manifest=store.manifest, plan=store.plan)
