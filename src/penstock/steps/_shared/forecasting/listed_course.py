"""A listing as a loop over its objects reads it: a sample each, in an order of its own each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penstock.cost.forecasting.course import MOST_LISTED, Course
from penstock.manifest import Extent, ManifestWriter, SourceSpec
from penstock.options.plan import ShuffleOptions
from penstock.plan import make_order, make_plan
from penstock.sources import ObjectInfo
from penstock.steps._shared import common
from penstock.window.packing import SPLIT_ABOVE_BYTES

__all__ = ["listed_course"]


def listed_course(held: Sequence[ObjectInfo], source: SourceSpec, folder: Path) -> Course | None:
    """Return what a loop over objects reads; None where they are read by parts, or are too many to be written down.

    Args:
        folder: for their manifest, which must be there for as long as the course is used.
    """
    if len(held) > MOST_LISTED or max(each.size_bytes for each in held) > SPLIT_ABOVE_BYTES:
        return None
    path = folder / "manifest.parquet"
    with ManifestWriter(path) as writer:
        for each in sorted(held, key=lambda info: info.key):
            spans = (each.span(0, each.size_bytes),)
            writer.add(Extent(key=each.key, group=each.key, spans=spans), split="train")
        info = writer.finish(
            task="objects",
            task_options={},
            source=source,
            seed=0,
            shape=(),
            classes=(),
            skipped=(),
            created_at=common.now(),
            created_by="penstock forecast",
        )
    plan = make_plan(info, ShuffleOptions(), seed=0, num_lanes=1)
    return Course(
        manifest=path,
        order=make_order(info, plan, [("train", True)]),
        batch_samples=1,
        weights=(1.0,),
        epoch_bytes=float(sum(each.size_bytes for each in held)),
        epoch_requests=float(len(held)),
    )
