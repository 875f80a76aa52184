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
from penstock.records import MetricValues
from penstock.tasks.metrics import auroc_metric, classification_metrics, group_metrics, metric_value, regression_metrics

BY_SPREAD = {"nrmse", "r2", "pearson"}


def values_of(metrics: MetricValues) -> dict[str, float]:
    return {name: metric.value for name, metric in metrics.items() if metric.value is not None}


def reasons_of(metrics: MetricValues) -> dict[str, str]:
    return {name: metric.undefined for name, metric in metrics.items() if metric.undefined}


def baselines_of(metrics: MetricValues) -> dict[str, float]:
    return {name: metric.baseline.value for name, metric in metrics.items() if metric.baseline is not None}


def test_predicting_the_mean_scores_one() -> None:
    truth = np.random.default_rng(0).normal(2, 3, 1000)
    scores = regression_metrics(truth, np.full(1000, truth.mean()))
    values = values_of(scores)
    assert reasons_of(scores)["pearson"].startswith("all 1000 predictions are")
    assert values == pytest.approx({name: value for name, value in baselines_of(scores).items() if name in values})
    assert values["nrmse"] == pytest.approx(1.0)


def test_regression_scores_by_hand() -> None:
    scores = regression_metrics(np.array([0.0, 2.0]), np.array([1.0, 4.0]))
    assert values_of(scores) == pytest.approx(
        {"rmse": 2.5**0.5, "mae": 1.5, "nrmse": 2.5**0.5, "r2": -1.5, "pearson": 1.0}
    )


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
    values, reasons = values_of(scores), reasons_of(scores)
    assert set(reasons) == BY_SPREAD
    assert reasons["nrmse"] == (
        "there is one target" if truth.size == 1 else f"all {truth.size} targets are {truth[0]:g}"
    )
    assert not BY_SPREAD & set(values)
    assert values["rmse"] > 0
    baselines = [scores[name].baseline for name in ("rmse", "mae")]
    assert [each.value for each in baselines if each is not None] == [0.0, 0.0]


@pytest.mark.parametrize("truth", [[1.7e9, 1.7e9 + 1], [1e-12, 2e-12], [0.3, 0.3001], [-1e-140, 1e-140]])
def test_targets_that_differ_are_scored_however_large_or_small(truth: list[float]) -> None:
    scores = regression_metrics(np.array(truth), np.array([truth[1], truth[0]]))
    assert scores["nrmse"].value == pytest.approx(2.0)


def test_nothing_can_be_scored_without_samples() -> None:
    with pytest.raises(DataError, match="no samples"):
        regression_metrics(np.zeros(0), np.zeros(0))
    with pytest.raises(DataError, match="no samples"):
        classification_metrics(np.zeros(0), np.zeros((0, 2)))


def test_subjects_without_a_spread_have_no_scores_of_it() -> None:
    scores = group_metrics(np.array([1.0, 2.0]), np.zeros(2), ["a", "a"], name="subject")
    assert scores["subject_rmse"].value == 1.5
    assert scores["subject_rmse"].label == "subject RMSE"
    assert scores["subject_nrmse"].undefined == "there is one target"
    scores = group_metrics(np.array([0.1, 0.1, 0.3]) + 0.1, np.zeros(3), ["a", "b", "b"])
    assert scores["group_nrmse"].value is not None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_not_finite_are_divergence(bad: float) -> None:
    with pytest.raises(TrainingDiverged):
        regression_metrics(np.arange(2.0), np.array([0.0, bad]))
    with pytest.raises(TrainingDiverged):
        classification_metrics(np.arange(2.0), np.array([[0.0, 1.0], [bad, 0.0]]))


def test_scores_beyond_all_numbers_are_undefined() -> None:
    found = regression_metrics(np.arange(2.0), np.array([1e200, -1e200]))["rmse"]
    assert found.value is None
    assert "no finite number" in found.undefined
    assert metric_value("x", math.nan, higher_is_better=True, baseline=math.inf).baseline is None


numbers = st.floats(-1e308, 1e308) | st.sampled_from([0.1, 0.3, 5e-324, 0.0])


@given(arrays.arrays(np.float64, st.integers(1, 8), elements=numbers), st.randoms(use_true_random=False))
def test_no_score_is_ever_nan_infinite_or_a_warning(truth: np.ndarray, chance: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for predicted in (truth, truth[::-1], np.zeros(truth.size)):
            found = regression_metrics(truth, predicted)
            values = values_of(found)
            assert all(math.isfinite(value) for value in (*values.values(), *baselines_of(found).values()))
            assert set(reasons_of(found)) == set(found) - set(values)
            assert values.get("nrmse", 0) < 1e12


def test_classification_scores_by_hand() -> None:
    truth = np.array([0.0, 0.0, 0.0, 1.0])
    logits = np.array([[2.0, 0.0, -9.0], [2.0, 0.0, -9.0], [0.0, 2.0, -9.0], [0.0, 2.0, -9.0]])
    scores = classification_metrics(truth, logits)
    assert scores["accuracy"].value == pytest.approx(0.75)
    assert scores["balanced_accuracy"].value == pytest.approx((2 / 3 + 1) / 2)
    assert scores["macro_f1"].value == pytest.approx((4 / 5 + 2 / 3) / 2)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert scores["log_loss"].value == pytest.approx(-np.log(probability[np.arange(4), truth.astype(int)]).mean())


def test_one_class_alone_leaves_scores_over_classes_undefined() -> None:
    found = classification_metrics(np.ones(3), np.array([[0.0, 1.0]] * 3))
    assert set(values_of(found)) == {"accuracy", "log_loss"}
    assert reasons_of(found)["balanced_accuracy"] == "all 3 samples are of one class"


def test_baselines_of_a_classification_are_what_knowing_the_shares_alone_scores() -> None:
    truth = np.array([0.0, 0.0, 0.0, 1.0])
    commonest = np.tile(np.log([0.75, 0.25]), (4, 1))
    found = classification_metrics(truth, commonest)
    assert values_of(found) == pytest.approx(baselines_of(found))


def test_log_loss_of_large_logits_is_finite() -> None:
    assert classification_metrics(np.array([0.0]), np.array([[-1e5, 1e5]]))["log_loss"].value == pytest.approx(2e5)


@given(st.integers(2, 4), st.integers(0, 2**32), st.booleans())
def test_auroc_is_the_chance_of_the_right_order(classes: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), rng.integers(0, classes, 12)]).astype(np.float64)
    logits = rng.normal(0, 2, (len(truth), classes))
    if ties:
        logits = logits.round()
    odds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    areas = []
    for number in range(classes):
        inside, outside = odds[truth == number, number], odds[truth != number, number]
        pairs = [0.5 if abs(a - b) < 1e-12 else float(a > b) for a in inside for b in outside]
        areas.append(np.mean(pairs))
    found = auroc_metric(truth, logits)
    assert found.value == pytest.approx(float(np.mean(areas)))
    assert found.baseline is not None
    assert found.baseline.value == 0.5
    assert found.higher_is_better


def test_auroc_tells_certain_answers_apart() -> None:
    truth = np.array([0.0, 0, 1, 1])
    sure = np.array([[900.0, 0], [500, 0], [300, 0], [0, 100]])
    assert auroc_metric(truth, sure).value == 1.0


@pytest.mark.parametrize(
    ("truth", "classes", "reason"),
    [
        ([0.0, 0, 1], 3, "1 of 3 classes has no sample"),
        ([1.0, 1], 4, "3 of 4 classes have no sample"),
        ([0.0, 0], 1, "there is one class"),
    ],
)
def test_auroc_is_undefined_where_a_class_is_missing(truth: list[float], classes: int, reason: str) -> None:
    found = auroc_metric(np.array(truth), np.zeros((len(truth), classes)))
    assert found.value is None
    assert found.undefined == reason
