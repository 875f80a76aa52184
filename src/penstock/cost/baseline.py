"""Baselines: what a model that learnt nothing scores, so that a score says something by itself.

Known only where it follows from the metric's definition or from the evaluation's own confusion matrix; any
other metric has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.records import Evaluation, RunRecord

__all__ = ["Baseline", "baseline_of", "choose_score", "format_score", "judge"]

_SAME = 0.005
"""A score this near to its baseline, as a part of it, is called no better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """The score of learning nothing.

    Attributes:
        value: that score.
        meaning: how it is reached, to follow the word "than": "predicting the mean".
        higher_is_better: whether a larger score is a better one.
    """

    value: float
    meaning: str
    higher_is_better: bool


def baseline_of(score: str, evaluation: Evaluation | None = None) -> Baseline | None:
    """Give the baseline of a metric by its name (``nrmse``, ``c1_nrmse``, ``r2``, ``accuracy``, ``auc``...)."""
    words = set(re.split(r"[^a-z0-9]+", score.lower()))
    if words & {"nrmse", "overall"}:
        return Baseline(value=1.0, meaning="predicting the mean", higher_is_better=False)
    if words & {"r2", "pearson"}:
        return Baseline(value=0.0, meaning="predicting the mean", higher_is_better=True)
    if words & {"auc", "auroc"}:
        return Baseline(value=0.5, meaning="guessing", higher_is_better=True)
    if evaluation is None or not evaluation.confusion or not words & {"accuracy", "acc"}:
        return None
    if "balanced" in words:
        return Baseline(value=1 / len(evaluation.classes), meaning="guessing", higher_is_better=True)
    counts = [sum(row) for row in evaluation.confusion]
    share = max(counts) / max(1, sum(counts))
    return Baseline(value=share, meaning="always naming the commonest class", higher_is_better=True)


def choose_score(run: RunRecord, evaluation: Evaluation | None) -> str | None:
    """Name the metric to lead with: the evaluation's, or a validation metric that has a baseline, or any."""
    if evaluation is not None:
        return evaluation.score
    names = [name for epoch in run.epochs[:1] for name in epoch.valid]
    return next((name for name in names if baseline_of(name)), names[0] if names else None)


def format_score(value: float) -> str:
    """Write a baseline's score: ``1.0``, ``0.423``."""
    text = f"{value:.3g}"
    return text if "." in text else f"{value:.1f}"


def judge(value: float | None, baseline: Baseline | None, *, why: str = "") -> tuple[str, str]:
    """Compare a score with its baseline: a sentence, and ``good``, ``bad`` or ``plain``; ``why`` it is undefined."""
    if value is None:
        return f"undefined: {why}" if why else "undefined", "bad"
    if baseline is None:
        return "no baseline is known for this metric", "plain"
    gain = (value - baseline.value) * (1 if baseline.higher_is_better else -1)
    told = f"{baseline.meaning} scores {format_score(baseline.value)}"
    if abs(gain) <= _SAME * max(abs(baseline.value), 0.1):
        return f"no better than {told}", "bad"
    return f"{'better' if gain > 0 else 'worse'} by {abs(gain):.3f}: {told}", "good" if gain > 0 else "bad"
