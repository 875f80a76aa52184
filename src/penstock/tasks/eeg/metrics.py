"""Scores of predictions, in float64 and without a learning library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError, TrainingDiverged

__all__ = ["classification_metrics", "overall_score", "regression_metrics", "subject_metrics"]

C1_WEIGHT: Final = 0.3
C2_WEIGHT: Final = 0.7

Array = NDArray[np.float64]


def overall_score(c1: float, c2: float) -> float:
    """Join the NRMSEs of both challenges as the challenge does; 1.0 is predicting the means."""
    return C1_WEIGHT * c1 + C2_WEIGHT * c2


def regression_metrics(truth: Array, predicted: Array) -> dict[str, float]:
    """Score a regression: ``rmse``, ``mae``, ``nrmse`` (rmse / standard deviation of the truth), ``r2``, ``pearson``.

    Constant predictions have a ``pearson`` of 0.

    Args:
        truth: shape (samples,).
        predicted: shape (samples,).

    Raises:
        DataError: there are no samples, or all have the same target.
        TrainingDiverged: a prediction is not a finite number.
    """
    _check(truth, predicted)
    spread = float(truth.std())
    if spread == 0:
        raise DataError(
            f"all {truth.size} targets of the split are {truth[0]:g}, so nothing can be scored",
            fix="take more recordings, so that more subjects fall into the split",
        )
    error = predicted - truth
    rmse = float(np.sqrt(np.mean(error**2)))
    centred = predicted - predicted.mean()
    joint = float(np.sqrt(np.mean(centred**2))) * spread
    return {
        "rmse": rmse,
        "mae": float(np.mean(np.abs(error))),
        "nrmse": rmse / spread,
        "r2": 1.0 - (rmse / spread) ** 2,
        "pearson": float(np.mean(centred * (truth - truth.mean()))) / joint if joint else 0.0,
    }


def subject_metrics(truth: Array, predicted: Array, groups: Sequence[str]) -> dict[str, float]:
    """Score the means of each subject, names prefixed by ``subject_``; empty where all subjects' truths agree."""
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(place, minlength=len(names))
    means = [np.bincount(place, weights=values, minlength=len(names)) / counts for values in (truth, predicted)]
    if not len(names) or np.ptp(means[0]) == 0:
        return {}
    return {f"subject_{name}": value for name, value in regression_metrics(means[0], means[1]).items()}


def classification_metrics(truth: Array, logits: Array) -> dict[str, float]:
    """Score a classification: ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``log_loss`` (nats).

    Balanced accuracy is the mean recall of the classes that occur; F1 is averaged over classes that occur or
    were predicted.

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
    peak = logits.max(axis=1, keepdims=True)
    log_sum = peak[:, 0] + np.log(np.exp(logits - peak).sum(axis=1))
    return {
        "accuracy": float(hits.sum() / truth.size),
        "balanced_accuracy": float(recall.mean()),
        "macro_f1": float((2 * hits[either > 0] / either[either > 0]).mean()),
        "log_loss": float(np.mean(log_sum - logits[np.arange(truth.size), wanted])),
    }


def _check(truth: Array, predicted: Array) -> None:
    if not truth.size:
        raise DataError("there are no samples to score", fix="take more recordings, so that the split is not empty")
    if not np.isfinite(predicted).all():
        raise TrainingDiverged(
            "a prediction is not a finite number", fix="lower the learning rate or clip gradients more strongly"
        )
