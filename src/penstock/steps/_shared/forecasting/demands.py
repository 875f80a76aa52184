"""What an epoch reads and computes: of a listing, a URI, or figures that were stated."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from penstock.cost.forecasting import Demand
from penstock.cost.forecasting.datasets import FORWARD_SHARE, demand_of
from penstock.errors import ConfigError, EmptyListing
from penstock.manifest import ManifestReader, SourceSpec
from penstock.options.source import AccessOptions
from penstock.options.words import as_words
from penstock.records import ClassSize
from penstock.sources import ObjectInfo, RequestMeter, archived_told, open_source, sizes_by_class
from penstock.steps._shared.common import source_from
from penstock.steps._shared.forecasting.measured import Measured
from penstock.steps.options.forecast import ForecastOptions
from penstock.units import GIB, MIB
from penstock.window.packing import RANGE_BYTES, SPLIT_ABOVE_BYTES

__all__ = ["Data", "asked_data", "check_data", "demand_on"]

_PAGE_OBJECTS = 1000
MOST_LEAST_BYTES = 2 * GIB
"""Of a window for objects that are read whole: larger ones are mostly read by parts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """What is read.

    Attributes:
        source: None where it is not said where it lies.
        num_samples: of the training split; None where that is not known.
        num_scored: of the validation and of the test split.
        objects: of a listing that was made for this, those that hold anything.
        task: that a manifest is of.
        archived: what of a listing must be restored before it is read, by class.
    """

    demand: Demand
    source: SourceSpec | None
    num_samples: int | None = None
    num_scored: tuple[int, int] = (0, 0)
    objects: Sequence[ObjectInfo] = ()
    task: str = ""
    archived: Mapping[str, ClassSize] = field(default_factory=dict)

    @property
    def sample_bytes(self) -> float:
        """Of an object that was listed, on average."""
        return self.demand.epoch_bytes / max(1, len(self.objects))

    @property
    def words(self) -> tuple[str, ...]:
        """Options of `penstock run` that name it; in capitals stands what a person must fill in."""
        task = ("--task", self.task or "TASK")
        if self.source is None:
            return ("--source", "URI", *task)
        found = ["--source", self.source.uri, *task]
        for name, value in self.source.options.items():
            declared = AccessOptions.declared().get(name)
            if declared is None:
                found += ["--source-option", f"{name}={value}"]
            else:
                found += as_words(declared.flag, value, is_bare=False, is_positional=False)
        return tuple(found)


def check_data(args: ForecastOptions) -> None:
    """Check that it is said once what is read, and nothing that goes with another way to say it.

    Raises:
        ConfigError: it is not.
    """
    ways = {"a URI": bool(args.uri), "--manifest": args.manifest is not None, "--size": bool(args.size)}
    if sum(ways.values()) != 1:
        raise ConfigError(
            "what is read is said twice" if any(ways.values()) else "it is not said what is read",
            fix="give one of: a URI, --manifest, or --size (with --objects)",
        )
    way = next(name for name, is_given in ways.items() if is_given)
    stray = (
        ("--plan", args.plan is not None, ("--manifest",)),
        ("--samples-per-second", bool(args.samples_per_second), ("--manifest",)),
        ("--objects", bool(args.objects), ("--size",)),
        ("--storage-class", bool(args.storage_class), ("--size",)),
        ("--restore", bool(args.restore), ("--size", "a URI")),
        ("--requests-per-object", bool(args.requests_per_object), ("--size", "a URI")),
        ("--probe", bool(args.probe), ("--manifest", "a URI")),
    )
    for name, is_given, ways_of_it in stray:
        if is_given and way not in ways_of_it:
            raise ConfigError(f"{name} says nothing of {way}", fix=f"leave it out, or give {' or '.join(ways_of_it)}")


def asked_data(args: ForecastOptions, meter: RequestMeter) -> Data:
    """Return what is read, before it is known how long that computes.

    Args:
        meter: counts the requests of a listing.

    Raises:
        ConfigError: it is not said in how many objects.
        PenstockError: the source, the manifest or the plan cannot be read.
    """
    if args.manifest is None:
        return asyncio.run(_listed(args, meter)) if args.uri else _stated(args)
    demand = demand_of(
        args.manifest, args.plan, window_bytes=args.window_size or 0, epochs=args.epochs, compute_seconds=0.0
    )
    with ManifestReader(args.manifest) as reader:
        info = reader.info
    numbers = {split.name: split.num_samples for split in info.splits}
    return Data(
        demand=demand,
        source=info.source,
        num_samples=numbers["train"],
        num_scored=(numbers.get("valid", 0), numbers.get("test", 0)),
        task=info.task,
    )


def demand_on(data: Data, args: ForecastOptions, measured: Measured, *, must_compute: bool) -> Demand:
    """Return the demand with how long an epoch computes, and what a run takes beside its epochs.

    Raises:
        ConfigError: that is said twice, or it is not known and must be.
    """
    seconds, once = _compute_seconds(args, measured, data)
    if seconds is None and must_compute:
        raise ConfigError(
            "how long an epoch computes is not known",
            fix="state it with --compute-hours (of a manifest also with --samples-per-second), or measure it: train "
            "one epoch (`penstock run ... --epochs 1 --out try`), and name that with --measured try",
        )
    return replace(
        data.demand,
        compute_seconds=seconds or 0.0,
        is_compute_known=seconds is not None,
        once_compute_seconds=once,
        batch_extents=args.at_once,
        start_seconds=measured.start_seconds if args.startup is None else args.startup,
    )


def _compute_seconds(args: ForecastOptions, measured: Measured, data: Data) -> tuple[float | None, float]:
    """Return the seconds that an epoch computes, and those of what is scored once behind them."""
    if args.compute_hours and args.samples_per_second:
        raise ConfigError(
            "how long an epoch computes is said twice", fix="give one of: --compute-hours, --samples-per-second"
        )
    valid, once = (FORWARD_SHARE * number for number in data.num_scored)
    if args.compute_hours:
        seconds = 3600 * args.compute_hours
        return seconds, seconds * once / (data.num_samples + valid) if data.num_samples else 0.0
    if args.samples_per_second and data.num_samples:
        return (data.num_samples + valid) / args.samples_per_second, once / args.samples_per_second
    if measured.sample_seconds is not None and data.num_samples:  # validation is in it
        return data.num_samples * measured.sample_seconds, once * measured.sample_seconds
    return measured.epoch_seconds, 0.0


def _requests(size: int, args: ForecastOptions) -> float:
    if args.requests_per_object:
        return args.requests_per_object
    return math.ceil(size / RANGE_BYTES) if size > SPLIT_ABOVE_BYTES else 1


def _stated(args: ForecastOptions) -> Data:
    if not args.objects:
        raise ConfigError("--size is given, and not in how many objects", fix="add --objects, like 200000")
    each = math.ceil(args.size / args.objects)
    requests = args.objects * _requests(each, args)
    demand = _demand(args.size, requests, args.objects, args.epochs)
    if args.storage_class:
        size = ClassSize(num_objects=args.objects, size_bytes=args.size)
        demand = replace(demand, storage_classes={args.storage_class: size})
    return Data(demand=demand, source=None)


async def _listed(args: ForecastOptions, meter: RequestMeter) -> Data:
    found: list[ObjectInfo] = []
    spec = source_from(args.uri, args)
    began = time.monotonic()
    with contextlib.closing(open_source(spec, meter=meter, purpose="listing")) as source:
        async for page in source.list_objects():
            found += page
    took = time.monotonic() - began
    held = [each for each in found if each.size_bytes and (args.restore or not each.is_archived)]
    archived = archived_told(found)
    if not held:
        told = f": {archived}" if archived else ""
        raise EmptyListing(f"there is nothing to read at {args.uri}{told}", fix="check the URI", about=args.uri)
    requests = math.fsum(_requests(each.size_bytes, args) for each in held)
    size = sum(each.size_bytes for each in held)
    demand = _demand(size, requests, len(found), args.epochs)
    largest = max(each.size_bytes for each in held)
    least = min(4 * largest + 2 * MIB, MOST_LEAST_BYTES)
    demand = replace(
        demand,
        least_window_bytes=max(demand.least_window_bytes, least),
        list_seconds=took,
        largest_bytes=largest if largest <= SPLIT_ABOVE_BYTES else 0.0,  # larger ones are mostly read by parts
        storage_classes=sizes_by_class(held),
        noted=(_archived_noted(archived, is_restored=bool(args.restore)),) if archived else (),
    )
    in_archives = sizes_by_class([each for each in found if each.is_archived])
    return Data(demand=demand, source=spec, objects=held, archived=in_archives)


def _archived_noted(archived: str, *, is_restored: bool) -> str:
    what = "it is taken to be restored first" if is_restored else "it is left out of this (--restore prices it too)"
    return f"{archived[0].upper()}{archived[1:]}: {what}."


def _demand(size: float, requests: float, objects: int, epochs: int) -> Demand:
    return Demand(
        epoch_bytes=size,
        epoch_requests=requests,
        pages=math.ceil(objects / _PAGE_OBJECTS),
        num_objects=objects,
        epochs=epochs,
        compute_seconds=0.0,
    )
