"""A forecast as text for a terminal, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from penstock.cost.forecasting import Forecast, WayCost
from penstock.cost.forecasting.plan import ASSUMPTIONS, Outlook
from penstock.units import format_bytes, format_seconds, format_usd

__all__ = ["HEADS", "facts_told", "forecast_json", "forecast_text", "way_cells"]

HEADS = ("way", "wall", "stall", "busy", "USD", "low", "high", "disk", "fits")


def forecast_text(found: Sequence[Forecast]) -> str:
    """Return what a person reads."""
    lines: list[str] = []
    for each in found:
        rows = [HEADS, *(way_cells(outlook, is_best=outlook.mid.way.name == each.best) for outlook in each.outlooks)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
        lines += [*facts_told(each), ""]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        lines += ["", *each.sentences, "", f"Recommended: {each.recommendation}", f"  {command_of(each)}", ""]
    lines += ["Assumptions:", *(f"  - {line}" for line in ASSUMPTIONS)]
    return "\n".join(lines) + "\n"


def facts_told(found: Forecast) -> list[str]:
    """Say what a forecast stands on."""
    demand, node = found.demand, found.node
    price = "no price" if node.usd_per_hour is None else f"{format_usd(float(node.usd_per_hour))}/h"
    rate = "no limit" if math.isinf(found.rate) else f"{format_bytes(found.rate)}/s"
    return [
        f"{node.name or 'a node'}, {price}, {rate} from the source ({found.link.told}; {found.link.path})",
        f"{demand.epochs} epochs of {format_bytes(demand.epoch_bytes)} in {demand.epoch_requests:,.0f} requests, "
        f"{format_seconds(demand.compute_seconds)} of computing each",
    ]


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
        format_bytes(mid.disk_bytes) if mid.disk_bytes else "–",
        "yes" if mid.fits else "NO",
    )


def command_of(found: Forecast) -> str:
    """Return the command of what is recommended, without the dataset's own options."""
    if not found.best:
        return ""
    cost = found.outlook(found.best).mid
    kind = f" --instance-type {found.node.name}" if found.node.name else ""
    if cost.way.disk is not None:
        size = math.ceil(found.demand.epoch_bytes / 0.87 / 2**20) + 1
    else:
        size = max(1, math.ceil((cost.way.window_bytes or 64 * 2**20) / 2**20))
    told = f"{size // 1024}Gi" if size % 1024 == 0 else f"{size}Mi"
    return f"penstock run --source URI --task TASK --out out --window-size {told}{kind}"


def forecast_json(found: Sequence[Forecast]) -> dict[str, Any]:
    """Return what a program reads: dollars as numbers, None for what has no price or no end."""
    return {"record": "forecast", "version": 1, "nodes": [_plain(each) for each in found], "assumptions": ASSUMPTIONS}


def _plain(found: Forecast) -> dict[str, Any]:
    demand, even = found.demand, found.breakevens
    return {
        "node": found.node.name,
        "usd_per_hour": None if found.node.usd_per_hour is None else float(found.node.usd_per_hour),
        "epochs": demand.epochs,
        "epoch_bytes": demand.epoch_bytes,
        "epoch_requests": demand.epoch_requests,
        "list_requests": demand.pages,
        "compute_seconds": demand.compute_seconds,
        "rate_bytes_per_second": _finite(found.rate),
        "breakeven_epochs": even.epochs,
        "breakeven_download": even.download,
        "rate_without_stall": _finite(even.rate),
        "window_without_stall_bytes": even.window_bytes,
        "sentences": found.sentences,
        "best": found.best or None,
        "recommendation": found.recommendation,
        "command": command_of(found),
        "ways": [_way(each) for each in found.outlooks],
    }


def _way(outlook: Outlook) -> dict[str, Any]:
    mid = outlook.mid
    return {
        "name": mid.way.name,
        "told": mid.way.told,
        "wall_seconds": mid.wall_seconds,
        "stall_seconds": mid.stall_seconds,
        "utilisation": mid.utilisation,
        "moved_bytes": mid.moved_bytes,
        "get_requests": mid.get_requests,
        "usd": {name: float(getattr(outlook, name).usd) for name in ("low", "mid", "high")},
        "unpriced": mid.unpriced,
        "disk_bytes": mid.disk_bytes,
        "fits": mid.fits,
        "limit": mid.limit,
        "lines": [
            {
                "what": line.what,
                "quantity": float(line.quantity),
                "unit": line.unit,
                "usd": None if line.usd is None else float(line.usd),
            }
            for line in mid.lines
        ],
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _usd(cost: WayCost) -> str:
    told = format_usd(float(cost.usd))
    return f"{told} + ?" if cost.unpriced else told
