"""Scores of X-rays: how well anomaly scores sort what has findings before what has none, and where maps point.

Truth, shape (N, 15): whether an image has any finding, then each of ``FINDINGS``. Predicted, shape (N, 4), the columns
of ``ANSWER``; those of boxes are NaN where an image has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import TrainingDiverged
from penstock.records import Figure, MetricValue, MetricValues, TableFigure
from penstock.tasks.figures import precision_recall_figure, roc_figure
from penstock.tasks.intervals import areas_with_intervals
from penstock.tasks.metrics import metric_value
from penstock.tasks.protocols import Answers
from penstock.tasks.xray.labels import FINDINGS

__all__ = ["ANSWER", "METRICS", "xray_figures", "xray_metrics"]

ANSWER: Final = ("score", "pointing", "iou", "box_share")
"""Anomaly score; whether the map's highest place lies in a box (0 or 1); the intersection over union of the boxes and
as many of the map's highest pixels as they have; the share of the image that they take."""
METRICS: Final = ("auroc", "auprc", "pointing", "iou", *(f"auroc_{finding.lower()}" for finding in FINDINGS))
_CURVES: Final = 5
"""Findings with curves of their own."""

Array = NDArray[np.float64]


def xray_metrics(truth: Array, predicted: Array, groups: Sequence[str]) -> MetricValues:
    """Return ``auroc`` and ``auprc`` with intervals, ``auroc_FINDING`` of each that occurs, and those of boxes.

    A finding is scored against the images without any: those with another one are neither.
    """
    scores = predicted[:, 0]
    if not np.isfinite(scores).all():
        raise TrainingDiverged("an anomaly score is not a finite number", fix="lower --learning-rate")
    auroc, auprc = areas_with_intervals(
        scores, truth[:, 0] > 0, groups, group_noun="patient", kinds=("with a finding", "without any")
    )
    found = {"auroc": auroc, "auprc": auprc}
    for name, (area, _, _) in _by_finding(truth, scores, groups).items():
        found[f"auroc_{name.lower()}"] = area
    return found | _box_metrics(predicted)


def _by_finding(truth: Array, scores: Array, groups: Sequence[str]) -> dict[str, tuple[MetricValue, MetricValue, int]]:
    """Return both areas of each finding that occurs, and of how many images it is."""
    names, normal = np.asarray(groups), truth[:, 0] == 0
    found = {}
    for place, name in enumerate(FINDINGS, 1):
        has = truth[:, place] > 0
        if not has.any() or not normal.any():
            continue
        taken = has | normal
        areas = areas_with_intervals(
            scores[taken], has[taken], names[taken].tolist(), name=_shown(name), group_noun="patient"
        )
        found[name] = (*areas, int(has.sum()))
    return found


def _box_metrics(predicted: Array) -> MetricValues:
    boxed = predicted[np.isfinite(predicted[:, 1:]).all(axis=1)]
    if not len(boxed):
        return {}
    share = boxed[:, 3]
    chance = float(share.mean())
    # A share s of the pixels drawn by chance has s of the boxes' inside them: s^2 of 2s - s^2.
    by_chance = float((share / (2 - share)).mean())
    return {
        "pointing": metric_value(
            "pointing at a box", float(boxed[:, 1].mean()), higher_is_better=True, baseline=chance, meaning="guessing"
        ),
        "iou": metric_value(
            "overlap with boxes (IoU)", float(boxed[:, 2].mean()), higher_is_better=True, baseline=by_chance,
            meaning="guessing",
        ),
    }  # fmt: skip


def xray_figures(answers: Answers) -> list[Figure]:
    """Return ROC and precision over recall of any finding and of the commonest ones, scores' spread, and a table."""
    truth, scores = answers.truth, answers.predicted[:, 0]
    is_ill = truth[:, 0] > 0
    if not 0 < np.count_nonzero(is_ill) < len(scores):
        return []
    by_finding = _by_finding(truth, scores, answers.groups)
    commonest = sorted(by_finding, key=lambda name: -by_finding[name][2])[:_CURVES]
    scored = {"any finding": (scores, is_ill)}
    for name in commonest:
        has = truth[:, 1 + FINDINGS.index(name)] > 0
        taken = has | ~is_ill
        scored[_shown(name)] = (scores[taken], has[taken])
    return [
        roc_figure(scored, split=answers.split),
        precision_recall_figure({"any finding": scored["any finding"]}, split=answers.split),
        _table(by_finding, answers, num_normal=int((~is_ill).sum())),
    ]


def _table(
    by_finding: dict[str, tuple[MetricValue, MetricValue, int]], answers: Answers, *, num_normal: int
) -> TableFigure:
    rows = [
        (_shown(name), f"{number:,}", _told(auroc), _told(auprc), f"{number / (number + num_normal):.3f}")
        for name, (auroc, auprc, number) in sorted(by_finding.items(), key=lambda item: -(item[1][0].value or 0))
    ]
    return TableFigure(
        title=f"By finding, against {num_normal:,} images without any, {answers.split} split; in brackets 95 % of "
        "draws of patients",
        header=("Finding", "Images", "AUROC", "AUPRC", "AUPRC of guessing"),
        rows=tuple(rows),
    )


def _told(metric: MetricValue) -> str:
    interval = "" if metric.interval is None else f" ({metric.interval.low:.2f} to {metric.interval.high:.2f})"
    return "–" if metric.value is None else f"{metric.value:.3f}{interval}"


def _shown(name: str) -> str:
    return name.replace("_", " ").lower().capitalize()
