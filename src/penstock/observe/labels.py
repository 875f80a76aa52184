"""Metrics as people read them."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.records import MetricValue

__all__ = ["metric_text", "metrics_line"]


def metric_text(metric: MetricValue | None, digits: int = 4) -> str:
    """Write a metric's value for a person: a dash where there is none."""
    return "–" if metric is None or metric.value is None else f"{metric.value:.{digits}f}"


def metrics_line(metrics: Mapping[str, MetricValue]) -> str:
    """Write metrics for a terminal, those that are undefined with their reasons at the end."""
    told = ", ".join(f"{name} {metric_text(metric)}" for name, metric in metrics.items())
    names: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        if metric.value is None:
            names.setdefault(metric.undefined, []).append(name)
    why = "; ".join(f"{', '.join(which)} undefined: {reason}" for reason, which in names.items())
    return f"{told} ({why})" if why else told or metric_text(None)
