"""Windows of ranks that read at paces of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.loader.asked_ranks import AskedRanks
from penstock.loader.ranks import Found, find_ranks
from penstock.stream import checks

__all__ = ["own_window"]


def own_window(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options by which each rank has a window of its own, in a folder of its own where one is given.

    Ranks that shared one would wait for one another: the one that needs more documents for the room that another's
    take up, and that one, in a step of all, for the first.
    """
    found = {name: options.get(name) for name in ("rank", "world_size", "local_rank", "local_world_size")}
    told = find_ranks(AskedRanks(**found), environ=os.environ, timeout_seconds=60)
    alone: dict[str, Any] = {"local_rank": 0, "local_world_size": 1}
    if options.get("window_folder") is not None and isinstance(told, Found) and told.ranks.world_size > 1:
        folder = Path(checks.path("window_folder", options["window_folder"], like="a folder's path, or None"))
        alone["window_folder"] = folder / f"rank-{told.ranks.rank}"
    return alone
