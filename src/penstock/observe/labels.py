"""Names of metrics as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["metric_label", "metric_value", "metrics_line"]

_WRITTEN = {"r2": "R²", "f1": "F1", "c1": "challenge 1", "c2": "challenge 2"}
_CAPITALS = {"acc", "auc", "auroc", "mae", "mse", "nrmse", "rmse"}


def metric_label(name: str) -> str:
    """Write a metric's name for a person: ``nrmse`` is NRMSE, ``balanced_accuracy`` is balanced accuracy."""
    words = [word for word in re.split(r"_+", name) if word]
    return " ".join(word.upper() if word in _CAPITALS else _WRITTEN.get(word, word) for word in words) or name


def metric_value(value: float | None, digits: int = 4) -> str:
    """Write a metric's value for a person: a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def metrics_line(metrics: Mapping[str, float | None], undefined: Mapping[str, str]) -> str:
    """Write metrics for a terminal, those that are undefined with their reasons at the end."""
    told = ", ".join(f"{name} {metric_value(value)}" for name, value in metrics.items())
    names: dict[str, list[str]] = {}
    for name, reason in undefined.items():
        names.setdefault(reason, []).append(name)
    why = "; ".join(f"{', '.join(which)} undefined: {reason}" for reason, which in names.items())
    return f"{told} ({why})" if why else told or metric_value(None)
