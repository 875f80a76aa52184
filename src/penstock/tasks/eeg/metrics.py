"""Scores of predictions, in float64 and without a learning library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError, TrainingDiverged
from penstock.records import no_spread
from penstock.tasks.scores import Scores

__all__ = ["classification_metrics", "overall_score", "regression_metrics", "subject_metrics"]

C1_WEIGHT: Final = 0.3
C2_WEIGHT: Final = 0.7

Array = NDArray[np.float64]


def overall_score(c1: float | None, c2: float | None) -> float | str:
    """Join the NRMSEs of both challenges as the challenge does; 1.0 is predicting the means."""
    if c1 is None or c2 is None:
        return f"the score of {'eeg-c1' if c1 is None else 'eeg-c2'} is undefined"
    return C1_WEIGHT * c1 + C2_WEIGHT * c2


def regression_metrics(truth: Array, predicted: Array) -> Scores:
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
        error = predicted - truth
        rmse = float(np.sqrt(np.mean(error**2)))
        scores: Scores = {"rmse": rmse, "mae": float(np.mean(np.abs(error)))}
        if _is_constant(truth):
            one = "there is one target" if truth.size == 1 else f"all {truth.size} targets are {truth[0]:g}"
            return {**scores, **dict.fromkeys(("nrmse", "r2", "pearson"), one)}
        spread = float(truth.std())
        scores |= {"nrmse": rmse / spread, "r2": 1.0 - (rmse / spread) ** 2}
        if _is_constant(predicted):
            return {**scores, "pearson": f"all {predicted.size} predictions are {predicted[0]:g}"}
        joint = float(predicted.std()) * spread
        centred = (predicted - predicted.mean()) * (truth - truth.mean())
        return {**scores, "pearson": float(np.mean(centred)) / joint}


def subject_metrics(truth: Array, predicted: Array, groups: Sequence[str]) -> Scores:
    """Score the means of each subject, names prefixed by ``subject_``."""
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(place, minlength=len(names))
    means = [np.bincount(place, weights=values, minlength=len(names)) / counts for values in (truth, predicted)]
    return {f"subject_{name}": value for name, value in regression_metrics(means[0], means[1]).items()}


def _is_constant(values: Array) -> bool:
    return no_spread(float(np.ptp(values)), float(np.abs(values).max()))


def classification_metrics(truth: Array, logits: Array) -> Scores:
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
    peak = logits.max(axis=1, keepdims=True)
    log_sum = peak[:, 0] + np.log(np.exp(logits - peak).sum(axis=1))
    scores: Scores = {
        "accuracy": float(hits.sum() / truth.size),
        "balanced_accuracy": float(recall.mean()),
        "macro_f1": float((2 * hits[either > 0] / either[either > 0]).mean()),
        "log_loss": float(np.mean(log_sum - logits[np.arange(truth.size), wanted])),
    }
    if np.count_nonzero(occurred) < 2:
        one = f"all {truth.size} samples are of one class" if truth.size > 1 else "there is one sample"
        scores |= dict.fromkeys(("balanced_accuracy", "macro_f1"), one)
    return scores


def _check(truth: Array, predicted: Array) -> None:
    if not truth.size:
        raise DataError("there are no samples to score", fix="take more recordings, so that the split is not empty")
    if not np.isfinite(predicted).all():
        raise TrainingDiverged(
            "a prediction is not a finite number", fix="lower the learning rate or clip gradients more strongly"
        )
