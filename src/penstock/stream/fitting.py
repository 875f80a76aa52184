"""How many samples a batch may have at most, for the window to hold it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from penstock.errors import WindowTooSmall
from penstock.loader.in_window import in_window
from penstock.manifest.listed import Listed
from penstock.plan import make_order
from penstock.plan.ranks import Ranks
from penstock.records import Plan
from penstock.units import KIB
from penstock.window.files import file_room_bytes
from penstock.window.geometry import plan_geometry

__all__ = ["fitting_batch"]

_OTHER_FILES_BYTES: Final = 64 * KIB
"""Of the window's folder, beside the manifest."""


def fitting_batch(
    listed: Listed,
    splits: Sequence[tuple[str, bool]],
    *,
    plan: Plan,
    batch_size: int,
    window_bytes: int,
    num_files: int,
    folder: Path,
    ranks: Ranks,
) -> int:
    """Return the largest batch of each rank, up to the one that is asked for, that fits; 1 where none does.

    Args:
        batch_size: that is asked for.
        num_files: extents that readers may hold as files.
        folder: of the window.
    """
    info, num_local = listed.info, ranks.local_world_size
    places = in_window(
        make_order(info, plan, splits),
        info,
        folder / listed.manifest,
        num_lanes=plan.num_lanes,
        first_rank=ranks.rank - ranks.local_rank,
        num_ranks=num_local,
        world_size=ranks.world_size,
    )
    files_bytes = file_room_bytes(num_files=num_files, max_extent_bytes=info.max_extent_bytes)
    for size in range(batch_size, 1, -1):
        try:
            plan_geometry(
                window_bytes=window_bytes,
                max_extent_bytes=info.max_extent_bytes,
                max_description_bytes=info.max_description_bytes,
                batch_extents=places.most_extents(size, num_local, ranks.world_size),
                num_ranks=num_local,
                reserved_bytes=(folder / listed.manifest).stat().st_size + files_bytes + _OTHER_FILES_BYTES,
            )
        except WindowTooSmall:
            continue
        return size
    return 1
