"""Scores beside their baselines, so that a score says something by itself."""

from __future__ import annotations

from penstock.records import Evaluation, MetricValue, RunRecord

__all__ = ["choose_score", "format_score", "judge"]

_SAME = 0.005
"""A score this near to its baseline, as a part of it, is called no better."""


def choose_score(run: RunRecord, evaluation: Evaluation | None) -> str:
    """Name the metric to lead with."""
    return run.score if evaluation is None else evaluation.score


def format_score(value: float) -> str:
    """Write a baseline's score: ``1.0``, ``0.423``."""
    text = f"{value:.3g}"
    return text if "." in text else f"{value:.1f}"


def judge(metric: MetricValue) -> tuple[str, str]:
    """Compare a score with its baseline: a sentence, and ``good``, ``bad`` or ``plain``."""
    baseline = metric.baseline
    if metric.value is None:
        return f"undefined: {metric.undefined}", "bad"
    if baseline is None:
        return "no baseline is known for this metric", "plain"
    gain = (metric.value - baseline.value) * (1 if metric.higher_is_better else -1)
    told = f"{baseline.meaning} scores {format_score(baseline.value)}"
    if abs(gain) <= _SAME * max(abs(baseline.value), 0.1):
        return f"no better than {told}", "bad"
    return f"{'better' if gain > 0 else 'worse'} by {abs(gain):.3f}: {told}", "good" if gain > 0 else "bad"
