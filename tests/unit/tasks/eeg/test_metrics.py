"""Scores."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.errors import DataError, TrainingDiverged
from penstock.tasks.eeg.metrics import (
    classification_metrics,
    overall_score,
    regression_metrics,
    subject_metrics,
)


def test_predicting_the_mean_scores_one() -> None:
    truth = np.random.default_rng(0).normal(2, 3, 1000)
    scores = regression_metrics(truth, np.full(1000, truth.mean()))
    assert scores["nrmse"] == pytest.approx(1.0)
    assert scores["r2"] == pytest.approx(0.0)
    assert scores["pearson"] == 0.0


def test_regression_scores_by_hand() -> None:
    scores = regression_metrics(np.array([0.0, 2.0]), np.array([1.0, 4.0]))
    assert scores == pytest.approx({"rmse": 2.5**0.5, "mae": 1.5, "nrmse": 2.5**0.5, "r2": -1.5, "pearson": 1.0})


def test_nothing_can_be_scored_without_different_targets() -> None:
    with pytest.raises(DataError, match="all 3 targets of the split are 2"):
        regression_metrics(np.full(3, 2.0), np.zeros(3))
    with pytest.raises(DataError, match="no samples"):
        regression_metrics(np.zeros(0), np.zeros(0))
    assert subject_metrics(np.array([1.0, 2.0]), np.zeros(2), ["a", "a"]) == {}


def test_numbers_that_are_not_finite_are_divergence() -> None:
    with pytest.raises(TrainingDiverged):
        regression_metrics(np.arange(2.0), np.array([0.0, np.nan]))


def test_classification_scores_by_hand() -> None:
    truth = np.array([0.0, 0.0, 0.0, 1.0])
    logits = np.array([[2.0, 0.0, -9.0], [2.0, 0.0, -9.0], [0.0, 2.0, -9.0], [0.0, 2.0, -9.0]])
    scores = classification_metrics(truth, logits)
    assert scores["accuracy"] == pytest.approx(0.75)
    assert scores["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert scores["log_loss"] == pytest.approx(-np.log(probability[np.arange(4), truth.astype(int)]).mean())


def test_log_loss_of_large_logits_is_finite() -> None:
    assert classification_metrics(np.array([0.0]), np.array([[-1e5, 1e5]]))["log_loss"] == pytest.approx(2e5)


def test_overall_score_weighs_as_the_challenge_does() -> None:
    assert overall_score(1.0, 0.5) == pytest.approx(0.65)
