"""Metrics for the Kubeflow Pipelines UI.

The backend passes the executor input as JSON where an argument is ``{{$}}``; metrics are shown when the step
writes an executor output to the path that ``outputs.outputFile`` of it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock.cost.in_vain import parts_usd
from penstock.errors import ConfigError
from penstock.files import atomic_write
from penstock.records import CostReport, Evaluation, ForecastRecord, RunRecord
from penstock.units import GIB

__all__ = ["bill_metrics", "write_bill_metrics", "write_forecast_metrics", "write_metrics"]

ARTIFACT = "metrics_ui"


def write_metrics(executor_input: str, found: Evaluation) -> None:
    """Write an evaluation's metrics where the backend looks for them; nothing is done outside of a pipeline.

    Raises:
        ConfigError: the executor input is not one that names an output file and a metrics artifact.
    """
    _show(executor_input, {name: metric.value for name, metric in found.metrics.items() if metric.value is not None})


def write_forecast_metrics(executor_input: str, found: ForecastRecord) -> None:
    """Write what is recommended, or planned, of a forecast's first node, likewise.

    Raises:
        ConfigError: the executor input is not one that names an output file and a metrics artifact.
    """
    node = found.nodes[0]
    way = node.way(found.planned or node.best or "")
    if way is None:
        return
    sums = {"usd": way.usd.mid, "usd_low": way.usd.low, "usd_high": way.usd.high}
    dollars = {name: usd for name, usd in sums.items() if usd is not None}
    _show(
        executor_input,
        dollars
        | {
            "wall_hours": way.wall_seconds / 3600,
            "stall_hours": way.stall_seconds / 3600,
            "moved_gib": way.moved_bytes / GIB,
            "get_requests": way.get_requests,
        },
    )


def write_bill_metrics(executor_input: str, run: RunRecord, cost: CostReport) -> None:
    """Write what a run cost, likewise.

    Raises:
        ConfigError: the executor input is not one that names an output file and a metrics artifact.
    """
    _show(executor_input, bill_metrics(run, cost))


def bill_metrics(run: RunRecord, cost: CostReport) -> dict[str, float]:
    """Return what a run cost, as numbers; what is not known is left out, as is what was divided by nothing.

    ``unpriced_lines`` says how many lines the sums leave out.
    """
    sums = (cost.known_usd if cost.lines else None, *parts_usd(run, cost), cost.stall_usd)
    names = ("total_usd", "usd_per_epoch", "usd_per_1000_samples", "usd_per_gib", "stall_usd")
    billed = {name: float(usd) for name, usd in zip(names, sums, strict=True) if usd is not None}
    grams = cost.co2.gco2 if cost.co2 else None
    emitted = {} if grams is None else {"co2_kg": float(grams) / 1000}
    unpriced = float(len(cost.unpriced))
    took = {"hours": run.wall_seconds / 3600, "stall_share": run.stall_share, "unpriced_lines": unpriced}
    return billed | emitted | took


def _show(executor_input: str, values: Mapping[str, float]) -> None:
    if not executor_input:
        return
    try:
        outputs = msgspec.json.decode(executor_input, type=dict[str, Any])["outputs"]
        target = Path(outputs["outputFile"])
        artifact = outputs["artifacts"][ARTIFACT]["artifacts"][0]
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, IndexError, TypeError) as error:
        raise ConfigError(
            f"--executor-input does not name outputs.outputFile and the artifact {ARTIFACT!r} ({error})",
            fix="pass the placeholder {{$}} of a component that has this output, or leave it out",
        ) from error
    shown = {"name": artifact["name"], "uri": artifact["uri"], "metadata": values}
    atomic_write(target, msgspec.json.encode({"artifacts": {ARTIFACT: {"artifacts": [shown]}}}))
