"""A run looked back on: what held it up, what its break-evens mean, how else its data could have gone, and what to do.

All of it is of the run's own figures: the bytes of an epoch, the seconds it computed, the rate of the link as a probe
measured it, or else as the run got it on average. Dollars are those of the prices that its bill is made with, and of
the epochs alone: listing, start and evaluation are the same whichever way the data goes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import msgspec

from penstock.cost.advice import advice_on
from penstock.cost.advice_case import Case
from penstock.cost.bottleneck import bottleneck
from penstock.cost.forecasting import Demand, Forecast, Line, Link, Node, Places, WayCost, forecast_ways
from penstock.cost.forecasting.breakevens import MOST_EPOCHS, first_epochs
from penstock.cost.forecasting.inputs import node_of
from penstock.cost.forecasting.market import Market
from penstock.cost.forecasting.plan import download_of
from penstock.cost.forecasting.ways import Way, cost_of, lines_of
from penstock.cost.measured_feed import MeasuredFeed, feed_of
from penstock.cost.node_time import training_nodes
from penstock.cost.prices import Prices
from penstock.cost.seller import class_sizes, seller_of
from penstock.cost.setting import CostSetting
from penstock.cost.storage_lines import WINDOW_DISK
from penstock.cost.values import as_decimal, in_money
from penstock.records import ClassSize, CostReport, CostWay, RunRecord, StepRecord
from penstock.units import GIB, format_bytes

__all__ = ["in_hindsight"]

_HOUR = 3600
_MEASURED_BY_ITSELF = ("stream", "window")
"""Ways that are how the run went: that is measured, and need not be computed."""


def in_hindsight(
    cost: CostReport, *, run: RunRecord, steps: Sequence[StepRecord], prices: Prices, setting: CostSetting
) -> CostReport:
    """Return a bill with what there is to say of its run, which is nothing where no epoch was finished.

    Args:
        cost: the bill.
        run: that it is of.
        steps: records of the run's other steps, one of which may have measured the link.
        prices: that it is made with.
        setting: that it is made with.
    """
    feed = feed_of(run, steps=steps)
    if feed is None:
        return cost
    node, market = _node(cost, run, prices, setting), _market(run, prices, setting)
    link = _link(run, feed, setting)
    demand = _demand(run, feed, class_sizes(run, market.tariff))
    other = forecast_ways(demand, link, node, _places(run), market)
    measured = _as_it_went(cost, run, feed, demand, link, node, market)
    number = training_nodes(run, setting.num_nodes)
    case = Case(cost=cost, run=run, feed=feed, num_nodes=number, measured=measured, other=other)
    return msgspec.structs.replace(
        cost,
        bottleneck=bottleneck(run, feed),
        meanings=_meanings(case),
        ways=_ways(measured, other) if feed.rate_is_measured else (),
        advice=advice_on(case),
    )


def _ways(measured: WayCost, other: Forecast) -> tuple[CostWay, ...]:
    """Return the way that was gone, and what the others would have taken on the link as it was measured."""
    others = (each.mid for each in other.outlooks if each.mid.way.name not in _MEASURED_BY_ITSELF)
    return (_told(measured, is_measured=True), *map(_told, others))


def _demand(run: RunRecord, feed: MeasuredFeed, sizes: Mapping[str, ClassSize]) -> Demand:
    """Return what an epoch asked for: as many requests a byte as the run made."""
    requests = feed.get_requests / feed.moved_bytes * feed.epoch_bytes
    return Demand(
        epoch_bytes=feed.epoch_bytes,
        epoch_requests=requests,
        pages=run.meters.list_requests,
        num_objects=requests,
        epochs=feed.num_epochs,
        compute_seconds=feed.compute_seconds,
        storage_classes=sizes,
    )


def _link(run: RunRecord, feed: MeasuredFeed, setting: CostSetting) -> Link:
    told = "as it was measured" if feed.rate_is_measured else "as the run got it on average"
    region = str(run.config.get("region") or "") or None
    return Link(bytes_per_second=feed.rate_bytes_per_second, told=told, path=setting.transfer, region=region)


def _node(cost: CostReport, run: RunRecord, prices: Prices, setting: CostSetting) -> Node:
    """Return the training's nodes at the bill's price; their network is no limit to a rate that was measured on it."""
    line = next((line for line in cost.lines if line.unit == "hour"), None)
    kind = setting.instance_type or run.host.instance_type or (line.item if line else "")
    node = node_of(kind, prices, region=setting.region)
    number = training_nodes(run, setting.num_nodes)
    usd = None if line is None or line.unit_usd is None else line.unit_usd * number
    spot = _spot(node, number)
    return replace(node, usd_per_hour=usd, spot_usd_per_hour=spot, network_bytes_per_second=None)


def _spot(node: Node, num_nodes: int) -> Decimal | None:
    return None if node.spot_usd_per_hour is None else node.spot_usd_per_hour * num_nodes


def _places(run: RunRecord) -> Places:
    return Places(window_bytes=run.meters.window_bytes)


def _market(run: RunRecord, prices: Prices, setting: CostSetting) -> Market:
    seller = seller_of(run, prices=setting.source_prices)
    return Market(prices=prices, tariff=seller.tariff, region=setting.region, is_priced=seller.is_priced)


def _as_it_went(
    cost: CostReport, run: RunRecord, feed: MeasuredFeed, demand: Demand, link: Link, node: Node, market: Market
) -> WayCost:
    """Return what the epochs took, priced as the other ways are."""
    told = f"streamed through a window of {format_bytes(run.meters.window_bytes)}, as measured"
    gets, moved, wall = feed.get_requests, feed.moved_bytes, feed.wall_seconds
    return WayCost(
        way=Way(name="as it was", told=told),
        wall_seconds=wall,
        stall_seconds=feed.stall_seconds,
        moved_bytes=moved,
        get_requests=gets,
        disk_bytes=run.meters.window_high_water_bytes,
        fits=True,
        limit="",
        lines=(
            *lines_of(market, demand, link, node, wall_seconds=wall, gets=gets, moved_bytes=moved),
            *_disk(cost, run, wall),
        ),
    )


def _disk(cost: CostReport, run: RunRecord, wall_seconds: float) -> list[Line]:
    """Return the window's disk for the time of the epochs, by the bill's line of it."""
    hours = as_decimal(run.meters.window_bytes * wall_seconds / GIB / _HOUR)
    found = [line for line in cost.lines if line.what == WINDOW_DISK]
    return [
        Line(
            what=line.what,
            quantity=hours,
            unit=line.unit,
            usd=None if line.unit_usd is None else in_money(hours * line.unit_usd),
        )
        for line in found
    ]


def _told(cost: WayCost, *, is_measured: bool = False) -> CostWay:
    return CostWay(
        name=cost.way.name,
        told=cost.way.told,
        is_measured=is_measured,
        wall_seconds=as_decimal(round(cost.wall_seconds, 3)),
        stall_seconds=as_decimal(round(cost.stall_seconds, 3)),
        usd=cost.usd,
        unpriced=cost.unpriced,
        disk_bytes=math.ceil(cost.disk_bytes),
        fits=cost.fits,
    )


def _meanings(case: Case) -> tuple[str, ...]:
    """Say what the break-evens are, in words and in the run's own figures."""
    feed = case.feed
    hands_over = "hands over, in each pass," if case.run.config.get("repeat") else "hands over"
    rate = f"{format_bytes(feed.rate_bytes_per_second)}/s"
    link = f"measured at {rate}" if feed.rate_is_measured else f"{rate} on average over the run; it may do more"
    said = [
        f"The link: {link}. An epoch {hands_over} {format_bytes(feed.epoch_bytes)}; after the first one, "
        f"{format_bytes(feed.kept_bytes)} of that were in the window from the epochs before, on average. A download "
        "would fetch whole objects, which may be more."
    ]
    if math.isfinite(feed.rate_without_stall):
        said.append(f"B* = {format_bytes(feed.rate_without_stall)}/s: {_of_link(feed)}")
    if not feed.rate_is_measured:
        said.append(
            "How large a window would end the stall (W*), after how many epochs downloading first pays (E*), and what "
            "other ways would have taken, is not told: that needs the rate of the link, which penstock prefetch with a "
            "manifest measures."
        )
        return tuple(said)
    need = feed.window_without_stall_bytes
    said.append(
        f"W* = {format_bytes(need)}: what the window must keep so that later epochs do not stall on this link."
        if need
        else "W* = 0: on this link later epochs do not stall whatever the window keeps."
    )
    said.append(_of_download(case))
    return tuple(said)


def _of_download(case: Case) -> str:
    """Say from how many epochs on a download costs no more (E*), which those that were run agree with.

    Other numbers of epochs are taken to cost so much more or less than the forecast has as those that were run did.
    """
    measured, other = case.measured, case.other
    download = download_of(other.outlooks).mid
    unknown = sorted({*measured.unpriced, *download.unpriced})
    if unknown:
        return f"E* is not known: there is no price of {', '.join(unknown)}."
    forecast_usd = case.streamed().usd
    times = measured.usd / forecast_usd if forecast_usd else Decimal(1)

    def downloaded(epochs: int) -> Decimal:
        demand = replace(other.demand, epochs=epochs)
        return cost_of(download.way, demand, other.link, other.node, other.places, other.market).usd

    epochs = first_epochs(lambda number: case.streamed(epochs=number).usd * times, downloaded)
    first = f"downloading first ({download.way.name})"
    if epochs is None:
        return f"E*: there is none; {first} never costs less, within {MOST_EPOCHS:,} epochs."
    return f"E* = {epochs:,}: from so many epochs on, {first} costs no more."


def _of_link(feed: MeasuredFeed) -> str:
    need = "a link that fast brings an epoch in the time that the node computes it, so that it never waits"
    if not feed.rate_is_measured:
        return f"{need}."
    times = feed.rate_without_stall / feed.rate_bytes_per_second
    return f"{need}; this one is {f'{times:.3g} times too slow' if times > 1 else 'fast enough'}."
