"""Metrics of predictions, in float64 and without a learning library.

A metric that divides by a spread of nothing has no value: it is undefined, which is told with its reason, and never
compared with another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError, TrainingDiverged
from penstock.manifest import no_spread
from penstock.records import Baseline, MetricValue, MetricValues

__all__ = [
    "auroc_metric",
    "class_scores",
    "classification_metrics",
    "group_metrics",
    "metric_value",
    "regression_metrics",
    "roc_area",
]

Array = NDArray[np.float64]

_MEAN = "predicting the mean"
_COMMONEST = "always naming the commonest class"


def metric_value(
    label: str,
    value: float | str,
    *,
    higher_is_better: bool,
    baseline: float | None = None,
    meaning: str = "learning nothing",
) -> MetricValue:
    """Make a metric's value; one beyond finite numbers is undefined.

    Args:
        label: what a person calls the metric.
        value: what it comes to, or a phrase that says why it is undefined.
        baseline: what learning nothing scores; None where that is not known.
        meaning: how the baseline is reached, to stand before "scores".
    """
    if not isinstance(value, str) and not math.isfinite(value):
        value = f"it comes to {value}, which is no finite number"
    is_known = baseline is not None and math.isfinite(baseline)
    return MetricValue(
        label=label,
        value=None if isinstance(value, str) else float(value),
        undefined=value if isinstance(value, str) else "",
        higher_is_better=higher_is_better,
        baseline=Baseline(value=float(baseline or 0), meaning=meaning) if is_known else None,
    )


def regression_metrics(truth: Array, predicted: Array) -> MetricValues:
    """Score a regression: ``rmse``, ``mae``, ``nrmse`` (rmse / standard deviation of the truth), ``r2``, ``pearson``.

    Without a spread of the truth (but for rounding) the last three are undefined, without one of the predictions the
    last.

    Args:
        truth: shape (samples,).
        predicted: shape (samples,).

    Raises:
        DataError: there are no samples.
        TrainingDiverged: a prediction is not a finite number.
    """
    _check(truth, predicted)
    with np.errstate(over="ignore", invalid="ignore"):
        alike = _alike(truth, "target")
        error, centred = predicted - truth, truth - truth.mean()
        # What rounding leaves of a spread is none.
        rmse, spread = float(np.sqrt(np.mean(error**2))), 0.0 if alike else float(truth.std())
        either_alike = alike or _alike(predicted, "prediction")
        scores: dict[str, tuple[str, float | str, float]] = {
            "rmse": ("RMSE", rmse, spread),
            "mae": ("MAE", float(np.mean(np.abs(error))), 0.0 if alike else float(np.mean(np.abs(centred)))),
            "nrmse": ("NRMSE", alike or rmse / spread, 1.0),
            "r2": ("R²", alike or 1.0 - (rmse / spread) ** 2, 0.0),
            "pearson": ("Pearson's r", either_alike or _pearson(centred, predicted, spread), 0.0),
        }
    return {
        name: metric_value(label, value, higher_is_better=name in ("r2", "pearson"), baseline=mean, meaning=_MEAN)
        for name, (label, value, mean) in scores.items()
    }


def _alike(values: Array, noun: str) -> str:
    """Say that values have no spread, by which nothing can be divided; empty where they have."""
    if not no_spread(float(np.ptp(values)), float(np.abs(values).max())):
        return ""
    return f"there is one {noun}" if values.size == 1 else f"all {values.size} {noun}s are {values[0]:g}"


def _pearson(centred: Array, predicted: Array, spread: float) -> float:
    return float(np.mean((predicted - predicted.mean()) * centred)) / (float(predicted.std()) * spread)


def group_metrics(truth: Array, predicted: Array, groups: Sequence[str], *, name: str = "group") -> MetricValues:
    """Score the means of each group as a regression, the metrics' names prefixed by ``NAME_``.

    Args:
        truth: shape (samples,).
        predicted: shape (samples,).
        groups: of each sample.
        name: what a group is.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(place, minlength=len(names))
    means = [np.bincount(place, weights=values, minlength=len(names)) / counts for values in (truth, predicted)]
    found = regression_metrics(means[0], means[1])
    return {
        f"{name}_{metric}": msgspec.structs.replace(value, label=f"{name} {value.label}")
        for metric, value in found.items()
    }


def classification_metrics(truth: Array, logits: Array) -> MetricValues:
    """Score a classification: ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``log_loss`` (nats).

    Balanced accuracy is the mean recall of the classes that occur; F1 is averaged over classes that occur or
    were predicted. Where only one class occurs, whoever always names it would have all of both: they are undefined.

    Args:
        truth: class indices, shape (samples,).
        logits: shape (samples, classes).

    Raises:
        DataError: there are no samples.
        TrainingDiverged: a logit is not a finite number.
    """
    _check(truth, logits)
    wanted, chosen = truth.astype(np.int64), logits.argmax(axis=1)
    size = logits.shape[1]
    confusion = np.bincount(wanted * size + chosen, minlength=size * size).reshape(size, size)
    hits, occurred, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = hits[occurred > 0] / occurred[occurred > 0]
    either = occurred + predicted
    f1 = 2 * hits[either > 0] / either[either > 0]
    peak = logits.max(axis=1, keepdims=True)
    log_sum = peak[:, 0] + np.log(np.exp(logits - peak).sum(axis=1))
    log_loss = float(np.mean(log_sum - logits[np.arange(truth.size), wanted]))
    shares = occurred[occurred > 0] / truth.size
    commonest, num_occurring = float(shares.max()), len(shares)
    f1_of_commonest = 2 * commonest / (1 + commonest) / num_occurring
    entropy = float(-np.sum(shares * np.log(shares)))
    one = ""
    if num_occurring < 2:
        one = f"all {truth.size} samples are of one class" if truth.size > 1 else "there is one sample"
    scores: dict[str, tuple[str, float | str, float, str]] = {
        "accuracy": ("accuracy", float(hits.sum() / truth.size), commonest, _COMMONEST),
        "balanced_accuracy": ("balanced accuracy", one or float(recall.mean()), 1 / num_occurring, _COMMONEST),
        "macro_f1": ("macro F1", one or float(f1.mean()), f1_of_commonest, _COMMONEST),
        "log_loss": ("log loss", log_loss, entropy, "naming each class by its share"),
    }
    return {
        name: metric_value(label, value, higher_is_better=name != "log_loss", baseline=baseline, meaning=meaning)
        for name, (label, value, baseline, meaning) in scores.items()
    }


def auroc_metric(truth: Array, logits: Array) -> MetricValue:
    """Score how well a classification sorts: the area under the ROC curve of each class against the rest, averaged.

    It is the chance that a sample of the class is held for more probable to be of it than one that is not; ties count
    as half. Where a class has no samples, or all, it is undefined.

    Args:
        truth: class indices, shape (samples,).
        logits: shape (samples, classes).

    Raises:
        DataError: there are no samples.
        TrainingDiverged: a logit is not a finite number.
    """
    _check(truth, logits)
    value: float | str
    counts = np.bincount(truth.astype(np.int64), minlength=logits.shape[1])
    if missing := int(np.count_nonzero(counts == 0)):
        value = f"{missing} of {len(counts)} classes {'has' if missing == 1 else 'have'} no sample"
    elif len(counts) < 2:
        value = "there is one class"
    else:
        scores = class_scores(logits)
        areas = [roc_area(scores[:, number], truth == number) for number in range(len(counts))]
        value = float(np.mean(areas))
    return metric_value("AUROC", value, higher_is_better=True, baseline=0.5, meaning="guessing")


def class_scores(logits: Array) -> Array:
    """Return log probabilities, shape (samples, classes), that differ however near to certain they are."""
    rows, best = np.arange(len(logits)), logits.argmax(axis=1)
    below = logits - logits[rows, best][:, np.newaxis]
    others = np.exp(below)
    others[rows, best] = 0
    others.sort(axis=1)  # so that equal odds stay equal, in whatever order the classes come
    log_probabilities: Array = below - np.log1p(others.sum(axis=1))[:, np.newaxis]
    return log_probabilities


def roc_area(scores: Array, is_class: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve, by ranks (Mann and Whitney's U)."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    inside = int(is_class.sum())
    above = float(ranks[is_class].sum()) - inside * (inside + 1) / 2
    return above / (inside * (len(scores) - inside))


def _check(truth: Array, predicted: Array) -> None:
    if not truth.size:
        raise DataError("there are no samples to score", fix="take more samples, so that the split is not empty")
    if not np.isfinite(predicted).all():
        raise TrainingDiverged(
            "a prediction is not a finite number", fix="lower the learning rate or clip gradients more strongly"
        )
