"""A forecast for each node that was asked for, of what the options say, a listing, and what was measured."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from penstock.cost.carbon import grid_by_hand, grid_of
from penstock.cost.forecasting import Demand, Forecast, Link, Market, Node, Places, forecast_ways
from penstock.cost.forecasting.emitting import with_co2
from penstock.cost.forecasting.inputs import holding_bytes, node_of
from penstock.cost.prices import Prices, load_prices
from penstock.cost.seller import PROVIDERS, Seller, seller_at
from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.options.cost import CostOptions
from penstock.options.paths import check_path, legs_of
from penstock.options.words import as_text
from penstock.records import ForecastRecord, Plan, read_record, write_record
from penstock.report.forecast_beside import format_range
from penstock.sources import RequestMeter, Tariff, find_scheme
from penstock.steps._shared.forecasting.demands import Data, asked_data, check_data, demand_on
from penstock.steps._shared.forecasting.handing import handing_seconds
from penstock.steps._shared.forecasting.listed_course import listed_course
from penstock.steps._shared.forecasting.measured import Measured, measured_by, rate_of
from penstock.steps._shared.forecasting.probing import probe
from penstock.steps._shared.forecasting.restored import with_restores
from penstock.steps._shared.pricing import OTHERS_TAKEN, check_region, endpoint_paid, region_told
from penstock.steps.options.forecast import ForecastOptions
from penstock.temporary import TemporaryFolder
from penstock.texts import did_you_mean
from penstock.units import GIB, MIB

__all__ = ["as_planned", "forecasts", "holding_window", "over_budget"]

USUAL_WINDOW_BYTES = 10 * GIB
HEAD_BYTES = 400.0
"""Of an answer, that pass a stated link before its body: S3 sends some 500, other servers 200 to 350."""
_STORES = {"aws": "s3://", "gcp": "gs://", "azure": "az://"}
"""By the provider of a node: what data is taken to lie in where that is not said."""


def forecasts(
    args: ForecastOptions,
    *,
    meter: RequestMeter | None = None,
    must_compute: bool = True,
    keeps_at_once: bool = False,
    done_share: float = 1.0,
    noted: tuple[str, ...] = (),
) -> list[Forecast]:
    """Return a forecast for each node.

    Args:
        meter: counts the requests of a listing and a probe.
        must_compute: refuse where it is not known how long an epoch computes; else that is taken to be nothing.
        keeps_at_once: the window is that of a cache, which keeps from the first byte on.
        done_share: of all epochs, that is done by when the run ends.
        noted: what was taken for granted of it, for people.

    Raises:
        ConfigError: it is not said what is read, how long it computes, or over which link.
        PenstockError: the source, a record, or the prices cannot be read.
    """
    for path in (args.transfer, *args.way):
        check_path(path)
    check_data(args)
    prices = load_prices(args.prices, today=args.today or datetime.now(UTC).date())
    check_region(args.price_region, prices)
    measured = measured_by(args.measured)
    meter = meter or RequestMeter()
    data = asked_data(args, meter)
    demand = demand_on(data, args, measured, must_compute=must_compute)
    nodes = _nodes(args, prices)
    if args.probe:
        measured = _probed(args, data, meter)
    demand = replace(demand, again_share=measured.again_share, done_share=done_share)
    demand = _with_handing(demand, data, measured)
    demand = replace(demand, noted=(*demand.noted, *noted))
    link = _link(args, measured, data)
    _check_network(nodes, link, prices)
    try:
        with TemporaryFolder("penstock-forecast-") as folder:
            demand = _with_course(demand, data, args, folder)
            return [_forecast(demand, link, node, args, prices, data, keeps_at_once) for node in nodes]
    except ArithmeticError as error:
        raise ConfigError(
            f"what is asked for is too much to be forecast ({demand.epochs} epochs of {demand.epoch_bytes:g} bytes and "
            f"{demand.compute_seconds:g} seconds of computing)",
            fix="look at what was stated, and at the record of --measured",
        ) from error


def over_budget(found: ForecastRecord, max_usd: float) -> list[str]:
    """Say of each node on which a budget would not do that it would not.

    Args:
        max_usd: 0 for none.
    """
    told = []
    for node in found.nodes if max_usd else ():
        name = found.planned or node.best
        way = None if name is None else node.way(name)
        if way is not None and (way.usd.mid or 0.0) > max_usd:
            told.append(
                f"the forecast{f' for {node.node}' if node.node else ''} is {format_range(way.usd)}, and --max-usd "
                f"{max_usd:g}: the run would stop before its end"
            )
    return told


def as_planned(args: ForecastOptions) -> tuple[ForecastOptions, str]:
    """Return the options of a run's forecast, by its plan, and the name of the way that it goes.

    Raises:
        RecordError: the plan cannot be read.
    """
    repeat = None if args.plan is None else read_record(args.plan, Plan).repeat
    if repeat is None or repeat.passes == 1:
        return args, "window"
    return args.but(passes=(repeat.passes,)), f"repeat-{repeat.passes}"


def holding_window(epoch_bytes: float) -> int:
    """Return the window that holds all of an epoch, in whole MiB."""
    return math.ceil(holding_bytes(epoch_bytes) / MIB) * MIB


def _with_handing(demand: Demand, data: Data, measured: Measured) -> Demand:
    """Return the demand with what handing its samples over takes, of objects that a loop reads."""
    if not data.objects:
        return demand
    each, where = measured.handing_seconds, "as the probe measured it"
    if each is None:
        each, where = handing_seconds(data.sample_bytes), "as measured on this machine just now"
    told = (
        f"Handing samples over takes a loop's own process {each / data.sample_bytes * 1e9:.2g} s a GB, {where}, beside "
        "what it computes; loading workers take that off it."
    )
    return replace(demand, handing_seconds=each * len(data.objects), noted=(*demand.noted, told))


def _with_course(demand: Demand, data: Data, args: ForecastOptions, folder: Path) -> Demand:
    """Return the demand with what is read one after the other, as far as that is known.

    Args:
        folder: for what is written for it.
    """
    course = demand.course
    if course is None and data.objects and data.source is not None and not args.requests_per_object:
        course = listed_course(data.objects, data.source, folder)
    if course is None:
        return demand
    at_once = max(args.at_once, course.batch_samples)
    once = None if demand.once is None else replace(demand.once, batch_samples=at_once)
    return replace(demand, course=replace(course, batch_samples=at_once), once=once)


def _forecast(
    demand: Demand, link: Link, node: Node, args: ForecastOptions, prices: Prices, data: Data, keeps_at_once: bool
) -> Forecast:
    usual = min(USUAL_WINDOW_BYTES, holding_window(demand.epoch_bytes))
    places = Places(
        window_bytes=usual if args.window_size is None else args.window_size,
        box_usd_per_hour=Decimal(repr(args.box_usd_per_hour)),
        passes=args.passes,
        keeps_at_once=keeps_at_once,
    )
    market = _market(args, prices, data, node)
    if data.source is not None and _tariff_of(data.source) != market.tariff:
        demand = replace(demand, storage_classes={})  # they mean nothing at another store's prices
    demand = with_restores(demand, data, args, market)
    found = forecast_ways(demand, link, node, places, market, paths=args.way)
    found = replace(found, asked=(*data.words, *_priced_words(args)))
    if not args.co2:
        return found
    given = args.grid_gco2_per_kwh
    return with_co2(found, grid_of(args.price_region) if given is None else grid_by_hand(given))


def _priced_words(args: ForecastOptions) -> list[str]:
    """Return the options that the run's bill is to be made with, as the forecast was."""
    declared, words = CostOptions.declared(), []
    for name in ("prices", "node_usd_per_hour", "price_region", "transfer", "source_prices"):
        value = getattr(args, name)
        if value != declared[name].default:
            words += [declared[name].flag, as_text(value)]
    is_stated = not args.uri and args.manifest is None
    return [*words, *(("--region", args.region) if is_stated and args.region else ())]


def _market(args: ForecastOptions, prices: Prices, data: Data, node: Node) -> Market:
    """Return whose prices are taken, with what there is to say of that."""
    found = _seller(args, prices, data, node)
    far = region_told(args.price_region, prices)
    told = [found.told, f"T{far[1:]} {OTHERS_TAKEN}" if far else ""]
    if _goes_far(args) and args.price_region and _source_region(args, data) is None:
        told.append("In which region the source is is not known: --region says it, and prices the way out of it")
    return replace(found, told=". ".join(filter(None, told)))


def _goes_far(args: ForecastOptions) -> bool:
    return any(leg.is_far for path in (args.transfer, *args.way) for leg in legs_of(path))


def _source_region(args: ForecastOptions, data: Data) -> str | None:
    return (data.source.text("region") if data.source is not None else args.region) or None


def _seller(args: ForecastOptions, prices: Prices, data: Data, node: Node) -> Market:
    """Return whose prices are taken: of the store that is read; where none is named, that of the node's own cloud."""
    if data.source is None:
        scheme = find_scheme("s3://" if args.source_prices == "s3" else _STORES.get(node.provider, "s3://"))
        told = f"requests and transfer are priced as those of {scheme.title}: it is not said where the data lies"
        return Market(prices=prices, tariff=scheme.tariff, region=args.price_region, told=told)
    endpoint = endpoint_paid(data.source) or ""
    found = seller_at(data.source.uri, endpoint, prices=args.source_prices, did_read="It is read")
    far = _far(args, found, node, prices) if found.is_priced else ""
    told = " ".join(filter(None, (found.assumption, found.warning, far))).rstrip(".")
    return Market(
        prices=prices,
        tariff=found.tariff,
        region=args.price_region,
        is_priced=found.is_priced or found.tariff is None,
        told=told,
    )


def _tariff_of(source: SourceSpec) -> Tariff | None:
    return find_scheme(source.uri).tariff_at(endpoint_paid(source) or "")


def _far(args: ForecastOptions, found: Seller, node: Node, prices: Prices) -> str:
    """Say that no transfer is priced to a node of another cloud, where it is so."""
    seller = found.tariff.seller if found.tariff is not None else ""
    is_far = bool(seller and node.provider) and PROVIDERS.get(seller) != node.provider
    if not is_far or args.transfer != "same-region" or _is_free(prices, PROVIDERS.get(seller, seller)):
        return ""
    return f"It lies with {seller} and the node is another cloud's, which is not free: pass --transfer internet"


def _is_free(prices: Prices, provider: str) -> bool:
    """Tell whether a store takes nothing for what goes out over the internet."""
    try:
        return not any(rate.usd for rate in prices.transfer("internet", provider=provider))
    except ConfigError:
        return False


def _nodes(args: ForecastOptions, prices: Prices) -> list[Node]:
    # A pipeline gives the empty text for a node that is not named.
    names = tuple(dict.fromkeys(filter(None, args.instance_type))) or ("",)
    given = None if args.node_usd_per_hour is None else float(args.node_usd_per_hour)
    return [node_of(name, prices, region=args.price_region, usd_per_hour=given) for name in names]


def _check_network(nodes: list[Node], link: Link, prices: Prices) -> None:
    """Refuse a node whose network is to be the limit, where it is not known what that does.

    Raises:
        ConfigError: it is not.
    """
    for node in nodes:
        if math.isinf(link.bytes_per_second) and node.network_bytes_per_second is None:
            known = [name for machine in prices.machines for name in machine.names]
            raise ConfigError(
                f"what the network of {node.name!r} does is not in the price list, and no rate was given",
                fix=f"{did_you_mean(node.name, known)}`penstock prices list --machines` tells those that are; or state "
                "the rate with --rate, like 80MB/s",
            )


def _probed(args: ForecastOptions, data: Data, meter: RequestMeter) -> Measured:
    if args.rate:
        raise ConfigError("--rate states what the link does, and --probe measures it", fix="leave one of them out")
    most_bytes = args.probe_bytes
    record = probe(data, args.manifest, args.plan, seconds=args.probe, most_bytes=most_bytes, meter=meter)
    if args.probe_record is not None:
        write_record(args.probe_record, record)
    return rate_of(record)


def _link(args: ForecastOptions, measured: Measured, data: Data) -> Link:
    rate, told, head_bytes = measured.rate or math.inf, measured.told, 0.0
    if args.rate:
        rate, told, head_bytes = args.rate, "as stated", HEAD_BYTES
    elif measured.rate is None:
        told = "no rate was given: the node's network is taken to be the limit"
        if not any(args.instance_type):
            seen = "" if args.measured is None else f": the run of {args.measured} hardly waited for it"
            raise ConfigError(
                f"how fast the source gives its bytes is not known{seen}",
                fix="state it with --rate, like 80MB/s, measure it with --probe 5s, name a record with --measured, or "
                "a node with --instance-type, whose network is then the limit",
            )
    return Link(
        bytes_per_second=rate,
        told=told,
        path=args.transfer,
        region=_source_region(args, data),
        latency_seconds=(measured.latency or 0.0) if args.latency is None else args.latency,
        head_bytes=head_bytes,
    )
