"""Opening what a listing is read through, with what a ``Stream`` was asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from penstock.loader import WindowStream
from penstock.loader.dataset_stream import DatasetStream
from penstock.manifest.listed import Listed, Listing
from penstock.plan import fewest_samples
from penstock.plan.ranks import Ranks
from penstock.records import Plan
from penstock.stream.fitting import fitting_batch
from penstock.stream.options import Options
from penstock.window import Prefetcher

__all__ = ["open_stream"]

UNBOUNDED_EPOCHS = 1_000_000
MIXED_LANES = 2**4 * 3 * 5
"""Where extents have many samples: each lane shuffles its part of those that are opened together, so few are better.
Numbers of ranks that do not divide them have more."""


def open_stream(
    listing: Listing,
    options: Options,
    ranks: Ranks,
    *,
    window: Path,
    meters: Path,
    prefetcher: Prefetcher | None,
) -> DatasetStream:
    """Open a stream over a listing.

    Args:
        ranks: that it is read as.
        window: its folder.
        meters: folder of the files that requests are counted in.
        prefetcher: the child that serves the window; None where another process's does.

    Raises:
        PenstockError: the listing failed, or an option cannot be honoured.
    """

    def over(listed: Listed, splits: Sequence[tuple[str, bool]], num_epochs: int) -> WindowStream:
        plan, batch_size = _plan_of(listed, options.seed, ranks), options.batch_size
        if options.may_shrink:
            num_files = ranks.local_world_size * max(1, options.num_workers) if options.decoder.takes_path else 0
            batch_size = fitting_batch(
                listed,
                splits,
                plan=plan,
                batch_size=batch_size,
                window_bytes=options.window_bytes,
                num_files=num_files,
                folder=window,
                ranks=ranks,
            )
        return WindowStream(
            folder=window,
            manifest=listed.manifest,
            info=listed.info,
            plan=plan,
            splits=splits,
            decoding=options.decoder,
            batch_size=batch_size,
            num_epochs=num_epochs,
            num_workers=options.num_workers,
            prefetcher=prefetcher,
            rank=ranks.rank,
            world_size=ranks.world_size,
            local_rank=ranks.local_rank,
            local_world_size=ranks.local_world_size,
            timeout_seconds=options.timeout_seconds,
            on_bad_sample=options.on_bad_sample,
            drop_last=options.drop_last,
            meters=meters,
        )

    return DatasetStream(
        listing,
        open_stream=over,
        num_epochs=options.num_epochs or UNBOUNDED_EPOCHS,
        splits=[(options.data.split, True)],
        least=fewest_samples(batch_size=options.batch_size, world_size=ranks.world_size, drop_last=options.drop_last),
    )


def _plan_of(listed: Listed, seed: int, ranks: Ranks) -> Plan:
    """Return the plan: the listing's seed may be that of a split alone, and its lanes are those of single samples."""
    plan = msgspec.structs.replace(listed.plan, seed=seed)
    if not listed.info.holds_many:
        return plan
    return msgspec.structs.replace(plan, num_lanes=math.lcm(MIXED_LANES, ranks.world_size))
