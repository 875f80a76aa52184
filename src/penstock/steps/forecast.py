"""``penstock forecast``: what a run would take and cost, each way that its data could go, before anything is paid."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from argparse import ArgumentTypeError
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from penstock.cost.forecasting import Demand, Forecast, Link, Node, Places, forecast_ways
from penstock.cost.forecasting.datasets import KEPT_SHARE, demand_of
from penstock.cost.forecasting.inputs import node_of
from penstock.cost.forecasting.ways import Market
from penstock.cost.prices import Prices, load_prices
from penstock.errors import ConfigError, EmptyListing, PenstockError, RecordError
from penstock.files import atomic_write
from penstock.manifest import ManifestReader
from penstock.options import Option
from penstock.options.paths import check_path
from penstock.records import RunRecord, StepRecord, read_record
from penstock.report.forecast_page import forecast_page
from penstock.report.forecast_told import forecast_json, forecast_text
from penstock.sources import Tariff, find_scheme, open_source
from penstock.steps._shared.common import source_from
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.pricing import check_region
from penstock.steps.options.forecast import ForecastOptions
from penstock.texts import did_you_mean
from penstock.window.packing import RANGE_BYTES, SPLIT_ABOVE_BYTES

NAME = "forecast"

__all__ = ["NAME", "forecast", "forecasts", "run"]

_PAGE_OBJECTS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Data:
    """What an epoch reads, before it is known how long it computes."""

    num_bytes: float
    requests: float
    pages: float
    objects: float
    samples: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    """What an earlier record tells; None where it tells nothing of that."""

    sample_seconds: float | None = None
    epoch_seconds: float | None = None
    rate: float | None = None
    told: str = ""


def run(args: ForecastOptions) -> int:
    """Forecast, and tell."""
    measured = () if args.measured is None else (args.measured, *JobFiles(args.measured).records)
    inputs = (args.manifest, args.plan, *measured, args.prices)
    check_outputs(args.html, inputs=inputs)
    found = forecasts(args)
    if args.html is not None:
        atomic_write(args.html, forecast_page(found).encode())
    if args.json:
        sys.stdout.write(f"{msgspec.json.format(msgspec.json.encode(forecast_json(found))).decode()}\n")
    else:
        sys.stdout.write(forecast_text(found))
    return 0


def forecast(uri: str = "", **options: Any) -> list[Forecast]:
    """Tell what a training would take and cost, each way that its data could go: ``penstock forecast`` in Python.

    Args:
        uri: where the data lies; empty with ``manifest=`` or ``size=`` and ``objects=``.
        options: of the command, in snake case, as values or as texts (``rate="80MB/s"``); those that may be repeated
            take one or several.

    Returns:
        a forecast for each node: its ``recommendation``, ``sentences``, ``breakevens``, and ``outlooks`` of all ways.

    Raises:
        ConfigError: an option is not known, or cannot be used.
        PenstockError: the source, a record, or the prices cannot be read.
    """
    known = ForecastOptions.declared()
    if unknown := next((name for name in options if name not in known), None):
        meant = did_you_mean(unknown, known)
        raise ConfigError(f"{unknown!r} is no option of a forecast", fix=f"{meant}the options are: {', '.join(known)}")
    return forecasts(ForecastOptions(uri=uri, **{name: _value(known[name], each) for name, each in options.items()}))


def _value(option: Option, given: Any) -> Any:
    """Return an option's value, of a value or of a text.

    Raises:
        ConfigError: it cannot be one.
    """
    try:
        if option.is_repeated:
            return _texts(given)
        if given is None and option.default is None:
            return None
        if option.is_bare or option.is_switch or isinstance(given, bool):
            return _truth(option, given)
        return given if option.read is None else option.read(str(given))
    except (ArgumentTypeError, ValueError) as error:
        raise ConfigError(
            f"{option.name}={given!r} cannot be used: {error}", fix="write it as the command does"
        ) from error


def _texts(given: Any) -> tuple[str, ...]:
    texts = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else (None,)
    if not all(isinstance(each, str) for each in texts):
        raise ValueError("give a text, or a list of texts")
    return texts


def _truth(option: Option, given: Any) -> bool:
    if not isinstance(given, bool) or not (option.is_bare or option.is_switch):
        raise ValueError("give True or False" if option.is_bare or option.is_switch else "it is no yes or no")
    return given


def forecasts(args: ForecastOptions) -> list[Forecast]:
    """Return a forecast for each node.

    Raises:
        ConfigError: it is not said what is read, how long it computes, or over which link.
        PenstockError: the source, a record, or the prices cannot be read.
    """
    for path in (args.transfer, *args.way):
        check_path(path)
    _check_data(args)
    prices = load_prices(args.prices, today=args.today or datetime.now(UTC).date())
    check_region(args.price_region, prices)
    measured = _measured(args)
    link = _link(args, measured)
    demand, uri = _demand(args, measured)
    market = Market(prices=prices, tariff=_tariff(args, uri), region=args.price_region)
    places = Places(
        window_bytes=args.window_size,
        kept_share=KEPT_SHARE if args.manifest is not None else 1.0,
        box_usd_per_hour=Decimal(repr(args.box_usd_per_hour)),
    )
    nodes = _nodes(args, prices, link)
    try:
        return [forecast_ways(demand, link, node, places, market, paths=args.way) for node in nodes]
    except ArithmeticError as error:
        raise ConfigError(
            f"what is asked for is too much to be forecast ({demand.epochs} epochs of {demand.epoch_bytes:g} bytes and "
            f"{demand.compute_seconds:g} seconds of computing)",
            fix="look at what was stated, and at the record of --measured",
        ) from error


def _nodes(args: ForecastOptions, prices: Prices, link: Link) -> list[Node]:
    """Return the nodes.

    Raises:
        ConfigError: the network of one is to be the limit, and it is not known what that does.
    """
    names = args.instance_type or ("",)
    given = None if args.node_usd_per_hour is None else float(args.node_usd_per_hour)
    found = [node_of(name, prices, region=args.price_region, usd_per_hour=given) for name in names]
    for node in found:
        if math.isinf(link.bytes_per_second) and node.network_bytes_per_second is None:
            known = [name for machine in prices.machines for name in machine.names]
            raise ConfigError(
                f"what the network of {node.name!r} does is not in the price list, and no rate was given",
                fix=f"{did_you_mean(node.name, known)}`penstock prices list --machines` tells those that are; or state "
                "the rate with --rate, like 80MB/s",
            )
    return found


def _check_data(args: ForecastOptions) -> None:
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
        ("--requests-per-object", bool(args.requests_per_object), ("--size", "a URI")),
    )
    for name, is_given, ways_of_it in stray:
        if is_given and way not in ways_of_it:
            raise ConfigError(f"{name} says nothing of {way}", fix=f"leave it out, or give {' or '.join(ways_of_it)}")


def _tariff(args: ForecastOptions, uri: str) -> Tariff | None:
    s3 = find_scheme("s3://").tariff
    if args.source_prices == "s3" or not uri:
        return s3
    scheme = find_scheme(uri)
    return scheme.tariff if scheme.payee(uri, args.endpoint_url or "") == "own" else None


def _link(args: ForecastOptions, measured: _Measured) -> Link:
    if args.rate:
        return Link(bytes_per_second=args.rate, path=args.transfer, region=args.price_region)
    if measured.rate:
        return Link(bytes_per_second=measured.rate, told=measured.told, path=args.transfer, region=args.price_region)
    if not args.instance_type:
        raise ConfigError(
            "how fast the source gives its bytes is not known",
            fix="state it with --rate, like 80MB/s, name a record with --measured, or a node with --instance-type, "
            "whose network is then the limit",
        )
    told = "no rate was given: the node's network is taken to be the limit"
    return Link(bytes_per_second=math.inf, told=told, path=args.transfer, region=args.price_region)


def _demand(args: ForecastOptions, measured: _Measured) -> tuple[Demand, str]:
    if args.manifest is not None:
        with ManifestReader(args.manifest) as reader:
            uri, samples = reader.info.source.uri, reader.info.split("train").num_samples
        seconds = _compute_seconds(args, measured, samples)
        demand = demand_of(
            args.manifest, args.plan, window_bytes=args.window_size, epochs=args.epochs, compute_seconds=seconds
        )
        return demand, uri
    data = _listed(args) if args.uri else _stated(args)
    demand = Demand(
        epoch_bytes=data.num_bytes,
        epoch_requests=data.requests,
        pages=data.pages,
        num_objects=data.objects,
        epochs=args.epochs,
        compute_seconds=_compute_seconds(args, measured, None),
    )
    return demand, args.uri


def _compute_seconds(args: ForecastOptions, measured: _Measured, samples: int | None) -> float:
    if args.compute_hours and args.samples_per_second:
        raise ConfigError(
            "how long an epoch computes is said twice", fix="give one of: --compute-hours, --samples-per-second"
        )
    if args.compute_hours:
        return 3600 * args.compute_hours
    if args.samples_per_second and samples:
        return samples / args.samples_per_second
    if measured.sample_seconds is not None and samples:
        return samples * measured.sample_seconds
    if measured.epoch_seconds is not None:
        return measured.epoch_seconds
    raise ConfigError(
        "how long an epoch computes is not known",
        fix="state it with --compute-hours, with a manifest as --samples-per-second, or name an earlier run's record "
        "with --measured",
    )


def _requests(size: int, args: ForecastOptions) -> float:
    if args.requests_per_object:
        return args.requests_per_object
    return math.ceil(size / RANGE_BYTES) if size > SPLIT_ABOVE_BYTES else 1


def _stated(args: ForecastOptions) -> _Data:
    if not args.objects:
        raise ConfigError("--size is given, and not in how many objects", fix="add --objects, like 200000")
    each = math.ceil(args.size / args.objects)
    return _Data(
        num_bytes=args.size,
        requests=args.objects * _requests(each, args),
        pages=math.ceil(args.objects / _PAGE_OBJECTS),
        objects=args.objects,
    )


def _listed(args: ForecastOptions) -> _Data:
    return asyncio.run(_list(args))


async def _list(args: ForecastOptions) -> _Data:
    num_bytes, requests, objects = 0, 0.0, 0
    source = open_source(source_from(args.uri, args), purpose="listing")
    with contextlib.closing(source):
        async for page in source.list_objects():
            for each in page:
                num_bytes, objects = num_bytes + each.size_bytes, objects + 1
                requests += _requests(each.size_bytes, args) if each.size_bytes else 0
    if not num_bytes:
        raise EmptyListing(f"there is nothing to read at {args.uri}", fix="check the URI", about=args.uri)
    return _Data(num_bytes=num_bytes, requests=requests, pages=math.ceil(objects / _PAGE_OBJECTS), objects=objects)


def _measured(args: ForecastOptions) -> _Measured:
    """Read what an earlier record tells.

    Raises:
        RecordError: it is none of a run or a probe.
    """
    if args.measured is None:
        return _Measured()
    path = args.measured / "run.json" if args.measured.is_dir() else args.measured
    try:
        return _of_run(read_record(path, RunRecord))
    except RecordError as error:
        with contextlib.suppress(PenstockError):
            step = read_record(path, StepRecord)
            if rate := step.details.get("rate_bytes_per_second"):
                return _Measured(rate=rate, told=f"as a probe measured it ({path.name})")
        raise RecordError(
            f"{path} is no record of a run, or of a probe with a rate ({error.what})",
            fix="name the run.json of `penstock run`, or the --record of `penstock prefetch`",
            about=str(path),
        ) from error


def _of_run(record: RunRecord) -> _Measured:
    try:
        return _figures(record)
    except ArithmeticError as error:
        raise RecordError(f"its figures cannot be true ({error})", fix="name a record as it was written") from error


def _figures(record: RunRecord) -> _Measured:
    samples = sum(epoch.num_samples for epoch in record.epochs)
    if not samples:
        raise RecordError("the run finished no epoch", fix="name the record of one that did")
    computed = math.fsum(epoch.compute_seconds + epoch.valid_seconds for epoch in record.epochs)
    busy = math.fsum(epoch.stall_seconds + epoch.compute_seconds + epoch.valid_seconds for epoch in record.epochs)
    # A run that hardly waited did not ask the link for all that it can do.
    rate = record.meters.bytes_downloaded / busy if record.stall_share > 0.1 and busy else None
    return _Measured(
        sample_seconds=computed / samples,
        epoch_seconds=computed / len(record.epochs),
        rate=rate,
        told="as a run got it",
    )
