"""Figures that are made of predictions alone: ROC and precision-recall curves.

Shapes: N samples, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.records import Figure, LineFigure, Series
from penstock.tasks.metrics import class_scores, roc_area
from penstock.tasks.protocols import Answers

__all__ = ["MOST_CURVES", "precision_recall_figure", "roc_figure", "roc_points", "usual_figures"]

MOST_CURVES: Final = 6
"""Of one figure: more cannot be told apart."""
MOST_POINTS: Final = 200
"""Of one curve."""

Array = NDArray[np.float64]
Scored = Mapping[str, tuple[Array, NDArray[np.bool_]]]
"""By a curve's name: scores, shape (N,), the higher the surer, and whether each sample is one of those looked for."""


def usual_figures(answers: Answers) -> Sequence[Figure]:
    """Return the ROC curves of a classification, one a class against the rest; nothing for other predictions.

    Of two classes one curve is drawn, of the second one: the other is its mirror image. Of many classes those are drawn
    that are sorted worst.
    """
    truth, predicted, classes = answers.truth, answers.predicted, answers.classes
    if truth.ndim != 1 or predicted.ndim != 2 or len(classes) != predicted.shape[1] or len(classes) < 2:
        return ()
    scores = class_scores(predicted)
    numbers = [1] if len(classes) == 2 else range(len(classes))
    found = {
        number: roc_area(scores[:, number], truth == number)
        for number in numbers
        if 0 < np.sum(truth == number) < len(truth)
    }
    if not found:
        return ()
    worst = sorted(sorted(found, key=lambda number: found[number])[:MOST_CURVES])
    more = (
        f" Of {len(found)} classes the {len(worst)} are drawn that are sorted worst." if len(found) > len(worst) else ""
    )
    scored = {classes[number]: (scores[:, number], truth == number) for number in worst}
    return [roc_figure(scored, split=answers.split, more=more)]


def roc_figure(scored: Scored, *, split: str, more: str = "") -> LineFigure:
    """Draw ROC curves.

    Args:
        scored: at least one of each kind in each.
        split: that the samples are of.
        more: to be said besides.
    """
    areas = {name: roc_area(*each) for name, each in scored.items()}
    told = ", ".join(f"{name} {area:.3f}" for name, area in areas.items())
    return LineFigure(
        title=f"ROC, {split} split",
        description=f"How many are found for how many false alarms. Area under it: {told}; guessing has 0.5.{more}",
        x_label="false alarms, as a share of all others",
        y_label="found, as a share of all that are",
        series=tuple(
            Series(name=f"{name} ({areas[name]:.3f})", points=_thinned(roc_points(*each)))
            for name, each in scored.items()
        ),
        reference=Series(name="guessing", points=((0.0, 0.0), (1.0, 1.0))),
        is_unit=True,
    )


def precision_recall_figure(scored: Scored, *, split: str) -> LineFigure:
    """Draw precision over recall; the line of guessing is that of the first curve's share."""
    first = next(iter(scored.values()))[1]
    share = float(first.mean())
    return LineFigure(
        title=f"Precision and recall, {split} split",
        description=f"How many of those that are named are right, for how many are found. Guessing has {share:.3f}.",
        x_label="recall: found of all that are",
        y_label="precision: right of those named",
        series=tuple(Series(name=name, points=_thinned(_precision_points(*each))) for name, each in scored.items()),
        reference=Series(name="guessing", points=((0.0, share), (1.0, share))),
        is_unit=True,
    )


def roc_points(scores: Array, is_class: NDArray[np.bool_]) -> Array:
    """Return false-positive and true-positive rates of every threshold, from (0, 0) to (1, 1), shape (points, 2)."""
    found, others = _counts_above(scores, is_class)
    return np.stack([others / max(others[-1], 1), found / max(found[-1], 1)], axis=1)


def _precision_points(scores: Array, is_class: NDArray[np.bool_]) -> Array:
    found, others = _counts_above(scores, is_class)
    named = np.maximum(found + others, 1)
    precision = found / named
    precision[0] = precision[1] if len(precision) > 1 else 1.0
    return np.stack([found / max(found[-1], 1), precision], axis=1)


def _counts_above(scores: Array, is_class: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Count those of the class, and the others, at or above each threshold, from above all scores down."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = np.cumsum(is_class[order])[ends].astype(np.float64)
    return np.append(0.0, found), np.append(0.0, ends + 1 - found)


def _thinned(points: Array) -> tuple[tuple[float, float], ...]:
    """Return at most ``MOST_POINTS`` of a curve, evenly along its length, ends included."""
    if len(points) > MOST_POINTS:
        length = np.append(0.0, np.cumsum(np.abs(np.diff(points, axis=0)).sum(axis=1)))
        wanted = np.linspace(0, length[-1], MOST_POINTS)
        points = points[np.unique(np.searchsorted(length, wanted).clip(0, len(points) - 1))]
    return tuple((round(float(x), 5), round(float(y), 5)) for x, y in points)
