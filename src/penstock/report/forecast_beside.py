"""A forecast beside what the run took."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from penstock.cost.model import total_meters
from penstock.records import (
    CostReport,
    Evaluation,
    ForecastRecord,
    ForecastWay,
    Meters,
    RunRecord,
    StepRecord,
    UsdRange,
)
from penstock.report.bill_figures import told_total
from penstock.report.tables import DASH, Table
from penstock.units import format_bytes, format_seconds, format_usd

__all__ = ["forecast_table", "format_range"]


def forecast_table(
    forecast: ForecastRecord,
    run: RunRecord,
    *,
    evaluation: Evaluation | None,
    cost: CostReport | None,
    steps: Sequence[StepRecord],
) -> Table | None:
    """Return what was forecast and what came of it, None where no way of it is the run's."""
    node = forecast.nodes[0]
    way = node.way(forecast.planned or node.best or "")
    if way is None:
        return None
    # Where samples are stored before the training, that is what reads them.
    stored = [each for each in steps if each.step == "pack"]
    parts: list[RunRecord | StepRecord | Evaluation] = [run, *stored, *([evaluation] if evaluation is not None else [])]
    wall = sum(each.wall_seconds for each in parts)
    moved = functools.reduce(Meters.plus, (each.meters for each in parts))
    listed = total_meters(run, steps=steps, evaluation=evaluation).list_requests
    rows = [
        (
            "Wall time of storing, training and evaluation" if stored else "Wall time of training and evaluation",
            *_pair(way.wall_seconds, wall, format_seconds),
        ),
        ("Stall", *_pair(way.stall_seconds, run.stall_seconds if run.epochs else None, format_seconds)),
        ("Bytes from the source", *_pair(way.moved_bytes, moved.bytes_downloaded, format_bytes)),
        ("GET requests", *_pair(way.get_requests, moved.count("GET", purpose="data").sent, _count)),
        ("LIST requests", *_pair(node.list_requests, listed, _count)),
        ("US dollars", *_dollars(way, cost)),
    ]
    computed = "" if node.compute_seconds is not None else "; how fast it computes was not known: times are the least"
    return Table(
        caption=f"Forecast and actual: {way.told}{computed}",
        header=("Figure", "Forecast", "Actual", "Actual to forecast"),
        rows=tuple(rows),
    )


def _pair(forecast: float, actual: float | None, told: Callable[[float], str]) -> tuple[str, str, str]:
    ratio = DASH if actual is None or not forecast else f"{actual / forecast:.0%}"
    return told(forecast), DASH if actual is None else told(actual), ratio


def _dollars(way: ForecastWay, cost: CostReport | None) -> tuple[str, str, str]:
    """Return dollars; those without something that has no price are told as such."""
    forecast = f"{format_range(way.usd)}{' + ?' if way.unpriced else ''}" if way.usd.mid is not None else DASH
    if cost is None or not cost.lines:
        return forecast, DASH, DASH
    actual = told_total(cost)
    expected = None if way.unpriced or cost.unpriced else way.usd.mid
    return forecast, actual, f"{float(cost.total_usd) / expected:.0%}" if expected else DASH


def format_range(usd: UsdRange) -> str:
    """Write dollars as they are expected, with what they may be; a dash where nothing has a price."""
    low, mid, high = (DASH if each is None else format_usd(each) for each in (usd.low, usd.mid, usd.high))
    return mid if usd.mid is None else f"{mid} ({low} to {high})"


def _count(number: float) -> str:
    return f"{number:,.0f}"
