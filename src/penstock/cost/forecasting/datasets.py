"""What an epoch of a listed dataset moves: its bytes, and the requests that the window's own planner makes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.cost.forecasting.course import Course
from penstock.cost.forecasting.inputs import LEAST_WINDOW_BYTES, Demand
from penstock.errors import ConfigError
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.plan import make_order
from penstock.records import Order, Plan, read_record
from penstock.units import MIB
from penstock.window.geometry import plan_geometry
from penstock.window.kept import KeptArea
from penstock.window.packing import Pack, Read
from penstock.window.planning import Planner

__all__ = ["FORWARD_SHARE", "Moved", "demand_of", "moved_by", "reads_of"]

FORWARD_SHARE = 1 / 3
"""Of what a sample takes in training, that it takes where it is only scored: back goes twice the work of forward."""
PLANNED_EXTENTS = 500_000
"""That are planned one by one; of more, as many are, and the rest is taken to be like them."""
_PAGE_OBJECTS = 1000
_NOTHING = memoryview(bytearray(64))


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """What passing once over some splits moves where the window has kept nothing."""

    num_bytes: float
    requests: float
    samples: int


def demand_of(manifest: Path, plan: Path | None, *, window_bytes: int, epochs: int, compute_seconds: float) -> Demand:
    """Return a training's demand on a manifest: training and validation splits each epoch, the test split once.

    An epoch of a plan that repeats is as many as it has passes.

    Args:
        plan: None takes an order of whole shuffles, whose requests are those of one extent each.
        compute_seconds: of one epoch.

    Raises:
        RecordError: manifest or plan cannot be read.
        ConfigError: there is no training split, or it is a mix.
    """
    with ManifestReader(manifest) as reader:
        info = reader.info
        if info.members:
            raise ConfigError("a mix cannot be forecast as one", fix="forecast each dataset that it is of")
        planned = None if plan is None else read_record(plan, Plan)
        names = {split.name for split in info.splits if split.num_samples}
        if "train" not in names:
            raise ConfigError(f"{manifest} has no training split", fix="list with --split, like 0.8,0.1,0.1")
        each = moved_by(reader, planned, [name for name in ("train", "valid") if name in names], window_bytes)
        once = moved_by(reader, planned, ["test"] if "test" in names else [], window_bytes)
        passes = 1 if planned is None or planned.repeat is None else planned.repeat.passes
        course = _course(manifest, info, planned, [name for name in ("train", "valid") if name in names], each)
        return Demand(
            epoch_bytes=each.num_bytes,
            epoch_requests=each.requests,
            pages=_pages(info),
            num_objects=info.num_objects,
            epochs=epochs * passes,
            compute_seconds=compute_seconds,
            once_bytes=once.num_bytes,
            once_requests=once.requests,
            least_window_bytes=max(LEAST_WINDOW_BYTES, _least(info)),
            largest_bytes=info.max_extent_bytes,
            storage_classes=info.storage_classes,
            course=course,
            once=_course(manifest, info, planned, ["test"], once) if course is not None and "test" in names else None,
        )


def _course(manifest: Path, info: ManifestInfo, plan: Plan | None, splits: list[str], moved: Moved) -> Course | None:
    """Return what is read one after the other; None where extents have several samples, or are read several times."""
    if plan is None or plan.repeat is not None or info.num_samples != info.num_extents:
        return None
    return Course(
        manifest=manifest,
        order=make_order(info, plan, [(name, name == "train") for name in splits]),
        batch_samples=plan.batch_size or 1,
        weights=tuple(1.0 if name == "train" else FORWARD_SHARE for name in splits),
        epoch_bytes=moved.num_bytes,
        epoch_requests=moved.requests,
    )


def moved_by(reader: ManifestReader, plan: Plan | None, splits: list[str], window_bytes: int) -> Moved:
    """Return what one pass over splits moves, by the reads that a window of such a size would make.

    Args:
        plan: None counts a request an extent.
    """
    info = reader.info
    chosen = [info.split(name) for name in splits]
    if not chosen:
        return Moved(num_bytes=0, requests=0, samples=0)
    samples = sum(split.num_samples for split in chosen)
    if plan is None:
        return Moved(
            num_bytes=sum(split.size_bytes for split in chosen),
            requests=sum(split.num_extents for split in chosen),
            samples=samples,
        )
    order = make_order(info, plan, [(name, name == "train") for name in splits])
    planned, requests, num_bytes = _planned(reader, order, window_bytes)
    total = sum(split.num_extents for split in chosen)
    return Moved(num_bytes=num_bytes * total / planned, requests=requests * total / planned, samples=samples)


def reads_of(reader: ManifestReader, plan: Path) -> Iterator[Read]:
    """Give what a window reads first of the training split, in the order of a plan.

    Raises:
        RecordError: the plan cannot be read.
    """
    for pack in _packs(reader, make_order(reader.info, read_record(plan, Plan), [("train", True)]), 0):
        yield from pack.reads


def _planned(reader: ManifestReader, order: Order, window_bytes: int) -> tuple[int, int, int]:
    """Plan the first epoch's packs; give how many extents they hold, their requests and bytes."""
    index, requests, num_bytes = 0, 0, 0
    with contextlib.closing(_packs(reader, order, window_bytes)) as packs:
        for pack in packs:
            requests += len(pack.reads)
            num_bytes += sum(read.length_bytes for read in pack.reads)
            index = pack.end_index
            if index >= PLANNED_EXTENTS:
                break
    return index, requests, num_bytes


def _packs(reader: ManifestReader, order: Order, window_bytes: int) -> Generator[Pack, None, None]:
    """Give an epoch's packs, of a window of such a size that has kept nothing."""
    info = reader.info
    geometry = plan_geometry(
        window_bytes=max(window_bytes, _least(info)),
        max_extent_bytes=info.max_extent_bytes,
        max_description_bytes=info.max_description_bytes,
    )
    nothing = KeptArea(_NOTHING, offset=0, size_bytes=0, num_extents=order.num_extents, total_bytes=1)
    slot_bytes = geometry.slot_bytes
    planner = Planner(order, reader, nothing, slot_bytes=slot_bytes, pack_bytes=slot_bytes, grows_from=0)
    index = 0
    try:
        while index < order.num_extents:
            pack = planner.next(index, order.num_extents)
            yield pack
            index = pack.end_index
    finally:
        planner.close()


def _least(info: ManifestInfo) -> int:
    return 4 * (info.max_extent_bytes + info.max_description_bytes) + 2 * MIB


def _pages(info: ManifestInfo) -> int:
    return 1 + (info.num_objects - 1) // _PAGE_OBJECTS if info.num_objects else 0
