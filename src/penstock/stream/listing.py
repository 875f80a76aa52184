"""Where a stream's manifest comes from: a listing that goes on, one that has ended, or one that was kept."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from penstock.lazy import imported
from penstock.manifest.listed import Listed, Listing, WholeListing
from penstock.options.plan import ShuffleOptions
from penstock.records import write_record
from penstock.sources.asking import source_options
from penstock.stream.left_out import warn_of
from penstock.stream.manifest_cache import CachedManifest, listed_again
from penstock.stream.options import Options
from penstock.stream_listing import ListingProcess
from penstock.tasks.listing_options import ListingOptions

__all__ = ["BegunListing", "begin_listing", "cached_manifest_of", "listing_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BegunListing:
    """A listing, and what others open it by (``open_listing``).

    Attributes:
        manifest: path of the whole manifest, which may not be there yet.
        plan: path of its plan.
        goes_on: whether it is followed part by part.
    """

    listing: Listing
    manifest: Path
    plan: Path
    goes_on: bool


class _Warning:
    """A listing that warns of what it left out, once that is known."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._has_warned = False

    def part(self, number: int) -> Listed | None:
        """Return a part as the listing has it."""
        return self._listing.part(number)

    def whole(self) -> Listed:
        """Return everything."""
        whole = self._listing.whole()
        if not self._has_warned:
            self._has_warned = True
            warn_of(whole.info.skipped)
        return whole


def begin_listing(
    options: Options,
    stack: contextlib.ExitStack,
    cached: CachedManifest | None,
    *,
    folder: Path,
    meters: Path,
    num_lanes: int,
) -> BegunListing:
    """List the source to its end, or to its first part where it is asked for in parts.

    Args:
        stack: that ends the listing.
        cached: a manifest of what is asked for, which is taken where it is fresh, and else kept.

    Raises:
        PenstockError: it cannot be listed.
    """
    asked = listing_of(options, folder, meters=meters).but(lanes=num_lanes)
    manifest, plan = asked.manifest, asked.plan
    found = cached.take(manifest) if cached is not None else None
    if found is not None:
        listed = listed_again(found, options.shuffle, seed=options.seed, num_lanes=num_lanes)
    elif options.helpers is not None:
        listed = options.helpers.listed(asked)
        if cached is not None:
            cached.keep(manifest)
    else:
        listing = stack.enter_context(ListingProcess(asked, environment=options.environment))
        imported("penstock.stream.opening")  # what is needed next, while the child begins
        listed = listing.part(0) or listing.whole()
        if not listed.is_whole:
            return BegunListing(listing=_Warning(listing), manifest=manifest, plan=plan, goes_on=True)
        if cached is not None:
            cached.keep(manifest)
    from penstock.stream.choosing import chosen

    listed = chosen(listed, options.data, folder / "chosen.parquet")
    write_record(plan, listed.plan)
    whole = _Warning(WholeListing(listed=listed))
    return BegunListing(listing=whole, manifest=listed.manifest, plan=plan, goes_on=False)


def cached_manifest_of(options: Options) -> CachedManifest | None:
    """Return the manifest of what is asked for in the folder of manifests, where one was given."""
    if options.manifest_folder is None:
        return None
    # However it is shuffled, the manifest is the same.
    asked = listing_of(options, Path()).but(
        **vars(ShuffleOptions()), seed=options.data.split_seed or 0, stream_listing=False
    )
    return CachedManifest(options.manifest_folder, asked.to_argv(), hours=options.manifest_hours)


def listing_of(options: Options, folder: Path, *, meters: Path | None = None) -> ListingOptions:
    """Return the config of the listing.

    Args:
        folder: that it writes to.
        meters: folder that its requests are counted in.
    """
    data = options.data
    return ListingOptions(
        **source_options(options.source).shared_with(ListingOptions),
        **options.shuffle.shared_with(ListingOptions),
        **data.limits.shared_with(ListingOptions),
        task=data.task,
        option=(f"match={options.match}", *data.task_options) if data.task == "objects" else data.task_options,
        split=data.listed_fractions,
        split_by=data.split_by,
        seed=options.seed if data.split_seed is None else data.split_seed,
        on_bad_object=options.on_bad_sample,
        manifest=folder / "manifest.parquet",
        plan=folder / "plan.json",
        stream_listing=options.parts,
        meters=meters,
    )
