"""Metric values for records that are made by hand."""

from __future__ import annotations

from penstock.records import MetricValue
from penstock.tasks.metrics import metric_value


def nrmse(value: float | None) -> MetricValue:
    told = "there is one target" if value is None else value
    return metric_value("NRMSE", told, higher_is_better=False, baseline=1.0, meaning="predicting the mean")
