"""A forecast as text for a terminal, as Markdown, and as a record."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from penstock.cost.forecasting import Forecast, WayCost
from penstock.cost.forecasting.inputs import holding_bytes
from penstock.cost.forecasting.plan import Outlook
from penstock.cost.forecasting.streaming import BY_LATENCY, MOST_IN_FLIGHT
from penstock.cost.rating import elsewhere_told, old_told
from penstock.cost.restoring import restores_told
from penstock.cost.storage_classes import classes_told
from penstock.records import ForecastLine, ForecastNode, ForecastRecord, ForecastWay, UsdRange
from penstock.report.markdown import escape_markdown
from penstock.report.tables import DASH
from penstock.secrets import redact, redact_values
from penstock.sources import held_told
from penstock.texts import counted
from penstock.units import GIB, MIB, format_bytes, format_seconds, format_usd, plain_number

__all__ = [
    "HEADS",
    "assumptions_told",
    "command_of",
    "facts_told",
    "forecast_markdown",
    "forecast_record",
    "forecast_text",
    "nodes_told",
    "way_cells",
]

HEADS = ("way", "wall", "stall", "busy", "USD", "low", "high", "disk", "fits")
_WHOLE_GIB_FROM = 100 * 1024
"""MiB of a window, from which on its size is told in whole GiB."""


def forecast_text(found: Sequence[Forecast], *, planned: str | None = None) -> str:
    """Return what a person reads.

    Args:
        planned: name of the way that the run goes that it is of.
    """
    lines: list[str] = []
    for each in found:
        rows = [HEADS, *(way_cells(outlook, is_best=outlook.mid.way.name == each.best) for outlook in each.outlooks)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
        lines += [*facts_told(each), ""]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        if planned is not None and any(outlook.mid.way.name == planned for outlook in each.outlooks):
            mid = each.outlook(planned).mid
            lines += ["", f"This run ({planned}): {_usd(mid)}, {format_seconds(mid.wall_seconds)}."]
        lines += ["", *each.sentences, "", f"Recommended: {each.recommendation}", *_reckoned(each)]
        lines += [f"  {command_of(each)}", ""]
    lines += [
        *nodes_told(found),
        *([""] if nodes_told(found) else []),
        *_ways_told(found),
        "",
        "Assumptions:",
        *(f"  - {line}" for line in assumptions_told(found)),
    ]
    return redact("\n".join(lines) + "\n")


def assumptions_told(found: Sequence[Forecast]) -> tuple[str, ...]:
    """Say what was taken for granted, and which of the prices are of another region, or old."""
    rates = [rate for each in found for rate in each.rates]
    old = old_told(rates, found[0].market.prices.today)
    return (*found[0].assumptions, *elsewhere_told(rates), *([old] if old else []))


def _ways_told(found: Sequence[Forecast]) -> list[str]:
    """Say what the ways are, each once; what they are on one node or on another where that is not the same."""
    ways: dict[str, dict[str, None]] = {}
    for way in (each.mid.way for one in found for each in one.outlooks):
        ways.setdefault(way.name, {})[way.told] = None
    width = max(map(len, ways))
    return ["Ways:", *(f"  {name.ljust(width)}  {'; or '.join(told)}" for name, told in ways.items())]


def facts_told(found: Forecast) -> list[str]:
    """Say what a forecast stands on."""
    demand, node = found.demand, found.node
    price = "no price" if node.usd_per_hour is None else f"${plain_number(node.usd_per_hour, digits=5)}/h"
    rate = "no limit" if math.isinf(found.rate) else f"{format_bytes(found.rate)}/s"
    link = found.link.told
    if found.limit == BY_LATENCY:
        late = format_seconds(found.link.latency_seconds)
        link = f"its latency is the limit: {MOST_IN_FLIGHT} requests at a time, each answered after {late}"
    computing = f"{format_seconds(demand.compute_seconds)} of computing each"
    if not demand.is_compute_known:
        computing = "how long each computes is not known"
    told = found.market.told
    done = "" if demand.done_share == 1 else f", {demand.done_epochs:.3g} of them until the run ends"
    listed = []
    if demand.list_seconds is not None:
        took = format_seconds(demand.list_seconds)
        listed = [f"Listing {counted(round(demand.num_objects), 'object')} took {took}; the run does so again"]
    return [
        f"{node.name or 'a node'}, {price}, {rate} from the source ({link}; {found.link.path})",
        f"{counted(demand.epochs, 'epoch')} of {format_bytes(demand.epoch_bytes)} in "
        f"{counted(round(demand.epoch_requests), 'request')}, {computing}{done}",
        *listed,
        *_classes_told(found),
        *([f"{told[0].upper()}{told[1:]}."] if told else []),
    ]


def _classes_told(found: Forecast) -> list[str]:
    """Say what lies in which class of storage, and what reading it costs, where that is known."""
    sizes, market, size = found.demand.storage_classes, found.market, found.demand.epoch_bytes
    held = "" if market.tariff is None else held_told(sizes)
    told = [f"{held[0].upper()}{held[1:]}"] if held else []
    if market.tariff is not None and market.is_priced:
        told += classes_told(sizes, market.tariff, market.prices, region=market.region, read_bytes=size)
        told += restores_told(found.demand.archived, market.tariff, market.prices, region=market.region)
    if found.demand.archived:
        told.append("The run begins when all is restored: no time below counts that, and the node is not there yet.")
    return told


def nodes_told(found: Sequence[Forecast]) -> list[str]:
    """Say which of several nodes costs least, each in the way that is recommended on it."""
    best = [(each.outlook(each.best).mid, each.node.name) for each in found if each.best]
    if len(found) < 2 or not best or any(mid.unpriced for mid, _ in best):
        return []
    mid, name = min(best, key=lambda each: each[0].usd)
    return [
        f"Of {len(found)} nodes {name} costs least: {_usd(mid)}, {format_seconds(mid.wall_seconds)}. An epoch is taken "
        "to compute as long on each; a faster node wants a forecast of its own."
    ]


def _reckoned(found: Forecast) -> list[str]:
    """Say of which lines the dollars of what is recommended are the sum."""
    lines = found.outlook(found.best).mid.lines if found.best else ()
    told = [f"{line.what} {'?' if line.usd is None else format_usd(line.usd)}" for line in lines if line.usd != 0]
    return [f"  = {' + '.join(told)}"] if told else []


def way_cells(outlook: Outlook, *, is_best: bool) -> tuple[str, ...]:
    """Return a row of the table."""
    mid = outlook.mid
    return (
        f"{mid.way.name}{' *' if is_best else ''}",
        format_seconds(mid.wall_seconds),
        format_seconds(mid.stall_seconds),
        f"{100 * mid.utilisation:.0f} %",
        _usd(mid),
        _usd(outlook.low),
        _usd(outlook.high),
        format_bytes(mid.disk_bytes) if mid.disk_bytes else DASH,
        "yes" if mid.fits else "NO",
    )


def command_of(found: Forecast) -> str:
    """Return the command of what is recommended; in capitals stands what is not known here."""
    if not found.best:
        return ""
    cost = found.outlook(found.best).mid
    if cost.way.disk is not None:
        needed = holding_bytes(found.demand.epoch_bytes)
    else:
        needed = max(cost.way.window_bytes or 0, found.demand.least_window_bytes)
    size, store = math.ceil(needed / MIB), cost.way.disk or cost.way.window_store
    room = math.inf if store is None or store.room_bytes is None else store.room_bytes
    is_whole = size % 1024 == 0 or (size >= _WHOLE_GIB_FROM and math.ceil(size / 1024) * GIB <= room)
    told = f"{math.ceil(size / 1024)}Gi" if is_whole else f"{size}Mi"
    kind = ("--instance-type", found.node.name) if found.node.name else ()
    asked = found.asked or ("--source", "URI", "--task", "TASK")
    words = (*asked, "--epochs", str(found.demand.epochs), "--out", "out", "--window-size", told, *kind)
    return f"penstock run {shlex.join(words)}"


def forecast_markdown(found: Sequence[Forecast]) -> str:
    """Return a short summary: a table of ways for each node, and what is recommended."""
    lines = ["# Forecast"]
    for each in found:
        rows = [way_cells(outlook, is_best=outlook.mid.way.name == each.best) for outlook in each.outlooks]
        lines += ["", f"## {escape_markdown(each.node.name or 'Node')}", ""]
        lines += [f"{escape_markdown(fact)}  " for fact in facts_told(each)]
        lines += ["", f"**{escape_markdown(each.recommendation)}**", "", f"| {' | '.join(HEADS)} |"]
        lines.append(f"|---|{'---:|' * (len(HEADS) - 1)}")
        lines += [f"| {' | '.join(map(escape_markdown, row))} |" for row in rows]
        lines += ["", *(escape_markdown(sentence) + "  " for sentence in each.sentences)]
    lines += [line for told in nodes_told(found) for line in ("", escape_markdown(told))]
    return "\n".join(lines) + "\n"


def forecast_record(found: Sequence[Forecast], *, planned: str | None = None) -> ForecastRecord:
    """Return what a program reads: dollars as numbers, None for what has no price or no end.

    Args:
        planned: name of the way that the run goes that it is of.
    """
    record = ForecastRecord(nodes=tuple(map(_node, found)), assumptions=assumptions_told(found), planned=planned)
    return msgspec.convert(redact_values(msgspec.to_builtins(record)), ForecastRecord)


def _node(found: Forecast) -> ForecastNode:
    demand, even = found.demand, found.breakevens
    return ForecastNode(
        node=found.node.name,
        usd_per_hour=None if found.node.usd_per_hour is None else float(found.node.usd_per_hour),
        epochs=demand.epochs,
        epoch_bytes=demand.epoch_bytes,
        epoch_requests=demand.epoch_requests,
        list_requests=demand.pages,
        list_seconds=demand.list_seconds,
        compute_seconds=demand.compute_seconds if demand.is_compute_known else None,
        rate_bytes_per_second=_finite(found.rate),
        breakeven_epochs=even.epochs,
        breakeven_download=even.download,
        rate_without_stall=_finite(even.rate),
        window_without_stall_bytes=even.window_bytes,
        sentences=found.sentences,
        best=found.best or None,
        recommendation=found.recommendation,
        command=command_of(found),
        ways=tuple(_way(each, found.co2_grams.get(each.mid.way.name)) for each in found.outlooks),
    )


def _way(outlook: Outlook, co2_grams: Decimal | None) -> ForecastWay:
    mid = outlook.mid
    low_usd, mid_usd, high_usd = (
        float(each.usd) if each.has_price else None for each in (outlook.low, outlook.mid, outlook.high)
    )
    return ForecastWay(
        name=mid.way.name,
        told=mid.way.told,
        wall_seconds=mid.wall_seconds,
        stall_seconds=mid.stall_seconds,
        utilisation=mid.utilisation,
        moved_bytes=mid.moved_bytes,
        get_requests=mid.get_requests,
        usd=UsdRange(low=low_usd, mid=mid_usd, high=high_usd),
        unpriced=mid.unpriced,
        disk_bytes=mid.disk_bytes,
        fits=mid.fits,
        limit=mid.limit,
        co2_grams=None if co2_grams is None else float(co2_grams),
        lines=tuple(
            ForecastLine(
                what=line.what,
                quantity=float(line.quantity),
                unit=line.unit,
                usd=None if line.usd is None else float(line.usd),
            )
            for line in mid.lines
        ),
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _usd(cost: WayCost) -> str:
    if not cost.has_price:
        return DASH
    told = format_usd(float(cost.usd))
    return f"{told} + ?" if cost.unpriced else told
