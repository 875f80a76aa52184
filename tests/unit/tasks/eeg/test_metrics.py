"""Scores, and when there are none."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from penstock.errors import DataError, TrainingDiverged
from penstock.tasks.eeg.metrics import (
    classification_metrics,
    overall_score,
    regression_metrics,
    subject_metrics,
)
from penstock.tasks.scores import told_scores

BY_SPREAD = {"nrmse", "r2", "pearson"}


def test_predicting_the_mean_scores_one() -> None:
    truth = np.random.default_rng(0).normal(2, 3, 1000)
    scores = regression_metrics(truth, np.full(1000, truth.mean()))
    assert scores["nrmse"] == pytest.approx(1.0)
    assert scores["r2"] == pytest.approx(0.0)
    assert str(scores["pearson"]).startswith("all 1000 predictions are")


def test_regression_scores_by_hand() -> None:
    scores = regression_metrics(np.array([0.0, 2.0]), np.array([1.0, 4.0]))
    assert scores == pytest.approx({"rmse": 2.5**0.5, "mae": 1.5, "nrmse": 2.5**0.5, "r2": -1.5, "pearson": 1.0})


# 0.1 ten times has a standard deviation of 1.4e-17 in floats: an NRMSE of 7e16 if it were divided by.
@pytest.mark.parametrize(
    "truth",
    [
        np.full(3, 2.0),
        np.full(10, 0.1),
        np.full(7, -1e9),
        np.zeros(4),
        np.array([4.7]),
        np.array([900.4 - 900.1, 12.4 - 12.1, 0.3]),
        np.full(10, 0.1) + np.array([0, 1e-13] * 5),
    ],
    ids=["two", "tenth", "large", "zero", "one-sample", "differences-of-onsets", "rounded"],
)
def test_constant_targets_leave_what_divides_by_their_spread_undefined(truth: np.ndarray) -> None:
    scores = regression_metrics(truth, truth + np.linspace(0.5, 1, truth.size))
    values, reasons = told_scores(scores)
    assert set(reasons) == BY_SPREAD
    assert reasons["nrmse"] == (
        "there is one target" if truth.size == 1 else f"all {truth.size} targets are {truth[0]:g}"
    )
    assert {name for name, value in values.items() if value is None} == BY_SPREAD
    assert values["rmse"] is not None
    assert values["rmse"] > 0


@pytest.mark.parametrize("truth", [[1.7e9, 1.7e9 + 1], [1e-12, 2e-12], [0.3, 0.3001], [-1e-140, 1e-140]])
def test_targets_that_differ_are_scored_however_large_or_small(truth: list[float]) -> None:
    scores = regression_metrics(np.array(truth), np.array([truth[1], truth[0]]))
    assert scores["nrmse"] == pytest.approx(2.0)


def test_nothing_can_be_scored_without_samples() -> None:
    with pytest.raises(DataError, match="no samples"):
        regression_metrics(np.zeros(0), np.zeros(0))
    with pytest.raises(DataError, match="no samples"):
        classification_metrics(np.zeros(0), np.zeros((0, 2)))


def test_subjects_without_a_spread_have_no_scores_of_it() -> None:
    scores = subject_metrics(np.array([1.0, 2.0]), np.zeros(2), ["a", "a"])
    assert scores["subject_rmse"] == 1.5
    assert scores["subject_nrmse"] == "there is one target"
    scores = subject_metrics(np.array([0.1, 0.1, 0.3]) + 0.1, np.zeros(3), ["a", "b", "b"])
    assert isinstance(scores["subject_nrmse"], float)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_not_finite_are_divergence(bad: float) -> None:
    with pytest.raises(TrainingDiverged):
        regression_metrics(np.arange(2.0), np.array([0.0, bad]))
    with pytest.raises(TrainingDiverged):
        classification_metrics(np.arange(2.0), np.array([[0.0, 1.0], [bad, 0.0]]))


def test_scores_beyond_all_numbers_are_undefined() -> None:
    values, reasons = told_scores(regression_metrics(np.arange(2.0), np.array([1e200, -1e200])))
    assert values["rmse"] is None
    assert "no finite number" in reasons["rmse"]


numbers = st.floats(-1e308, 1e308) | st.sampled_from([0.1, 0.3, 5e-324, 0.0])


@given(arrays.arrays(np.float64, st.integers(1, 8), elements=numbers), st.randoms(use_true_random=False))
def test_no_score_is_ever_nan_infinite_or_a_warning(truth: np.ndarray, chance: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for predicted in (truth, truth[::-1], np.zeros(truth.size)):
            values, reasons = told_scores(regression_metrics(truth, predicted))
            assert all(math.isfinite(value) for value in values.values() if value is not None)
            assert set(reasons) == {name for name, value in values.items() if value is None}
            nrmse = values["nrmse"]
            assert nrmse is None or nrmse < 1e12


def test_classification_scores_by_hand() -> None:
    truth = np.array([0.0, 0.0, 0.0, 1.0])
    logits = np.array([[2.0, 0.0, -9.0], [2.0, 0.0, -9.0], [0.0, 2.0, -9.0], [0.0, 2.0, -9.0]])
    scores = classification_metrics(truth, logits)
    assert scores["accuracy"] == pytest.approx(0.75)
    assert scores["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert scores["log_loss"] == pytest.approx(-np.log(probability[np.arange(4), truth.astype(int)]).mean())


def test_one_class_alone_leaves_scores_over_classes_undefined() -> None:
    values, reasons = told_scores(classification_metrics(np.ones(3), np.array([[0.0, 1.0]] * 3)))
    assert values["accuracy"] == 1.0
    assert values["balanced_accuracy"] is values["macro_f1"] is None
    assert reasons["balanced_accuracy"] == "all 3 samples are of one class"


def test_log_loss_of_large_logits_is_finite() -> None:
    assert classification_metrics(np.array([0.0]), np.array([[-1e5, 1e5]]))["log_loss"] == pytest.approx(2e5)


def test_overall_score_weighs_as_the_challenge_does() -> None:
    assert overall_score(1.0, 0.5) == pytest.approx(0.65)
    assert overall_score(None, 0.5) == "the score of eeg-c1 is undefined"
    assert overall_score(1.0, None) == "the score of eeg-c2 is undefined"
