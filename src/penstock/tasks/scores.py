"""Scores: what a metric comes to, or why it comes to nothing.

A metric that divides by a spread of nothing has no value: it is undefined, which is told with its reason, and never
compared with another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["Scores", "told_scores"]

Scores = dict[str, float | str]
"""By name a metric's value, or a phrase that says why it is undefined."""


def told_scores(scores: Mapping[str, float | str]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Give values, None where they are undefined, and the reasons of those; a value beyond finite numbers is one."""
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name, value in scores.items():
        if isinstance(value, str):
            reasons[name] = value
        elif not math.isfinite(value):
            reasons[name] = f"it comes to {value}, which is no finite number"
        values[name] = None if name in reasons else float(value)
    return values, reasons
