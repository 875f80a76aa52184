"""The bounded place on disk between the prefetcher and the trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.window.cache import asked_cache, cache_used_bytes, check_cache_place
    from penstock.window.child import Prefetcher, refuse_cache_of_sidecar, start_prefetcher
    from penstock.window.extents import ExtentSkipped, WindowExtent
    from penstock.window.filler import Filler
    from penstock.window.gauges import WindowGauges, read_gauges
    from penstock.window.geometry import Geometry, plan_geometry
    from penstock.window.handover import hand_over
    from penstock.window.ownership import claim_job, is_served
    from penstock.window.reader import WindowReader
    from penstock.window.removing import empty_window_of_nobody, remove_window
    from penstock.window.room import check_room
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "cache": "asked_cache cache_used_bytes check_cache_place",
            "child": "Prefetcher refuse_cache_of_sidecar start_prefetcher",
            "extents": "ExtentSkipped WindowExtent",
            "filler": "Filler",
            "gauges": "WindowGauges read_gauges",
            "geometry": "Geometry plan_geometry",
            "handover": "hand_over",
            "ownership": "claim_job is_served",
            "reader": "WindowReader",
            "removing": "empty_window_of_nobody remove_window",
            "room": "check_room",
        },
    )

__all__ = [
    "ExtentSkipped",
    "Filler",
    "Geometry",
    "Prefetcher",
    "WindowExtent",
    "WindowGauges",
    "WindowReader",
    "asked_cache",
    "cache_used_bytes",
    "check_cache_place",
    "check_room",
    "claim_job",
    "empty_window_of_nobody",
    "hand_over",
    "is_served",
    "plan_geometry",
    "read_gauges",
    "refuse_cache_of_sidecar",
    "remove_window",
    "start_prefetcher",
]
