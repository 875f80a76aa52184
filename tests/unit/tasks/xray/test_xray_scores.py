"""Scores of X-rays: areas, intervals that draw patients, findings against normal images, and boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import TrainingDiverged
from penstock.records import LineFigure, TableFigure
from penstock.tasks.intervals import areas_with_intervals
from penstock.tasks.metrics import roc_area
from penstock.tasks.protocols import Answers
from penstock.tasks.xray.labels import FINDINGS
from penstock.tasks.xray.scoring import xray_figures, xray_metrics


def _average_precision(scores: np.ndarray, is_class: np.ndarray) -> float:
    """Return the sum of precisions at each threshold, each weighed by the recall that it adds."""
    total, before = 0.0, 0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        named = scores >= threshold
        found = int((named & is_class).sum())
        total += (found - before) / is_class.sum() * found / named.sum()
        before = found
    return total


@given(st.integers(0, 10_000))
def test_areas_are_those_of_the_definitions(seed: int) -> None:
    chance = np.random.default_rng(seed)
    scores = chance.integers(6, size=30).astype(np.float64)
    is_class = np.append([True, False], chance.random(28) < 0.4)
    auroc, auprc = areas_with_intervals(scores, is_class, ["g"] * 30, draws=0)
    assert auroc.value == pytest.approx(roc_area(scores, is_class))
    assert auprc.value == pytest.approx(_average_precision(scores, is_class))
    assert auprc.baseline is not None
    assert auprc.baseline.value == pytest.approx(is_class.mean())


def _scored(num_patients: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    chance = np.random.default_rng(seed)
    ill = np.arange(num_patients) % 2 == 0
    scores = np.repeat(chance.normal(size=num_patients) + ill, each)
    return scores, np.repeat(ill, each), [f"p{number // each}" for number in range(num_patients * each)]


def test_intervals_draw_patients_and_not_images() -> None:
    scores, is_class, groups = _scored(40, 10)
    by_patient, _ = areas_with_intervals(scores, is_class, groups)
    by_image, _ = areas_with_intervals(scores, is_class, [str(number) for number in range(len(groups))])
    assert by_patient.interval is not None
    assert by_image.interval is not None
    wide = by_patient.interval.high - by_patient.interval.low
    narrow = by_image.interval.high - by_image.interval.low
    assert wide > 2 * narrow
    assert by_patient.interval.low < (by_patient.value or 0) < by_patient.interval.high
    assert areas_with_intervals(scores, is_class, groups) == areas_with_intervals(scores, is_class, groups)


def test_intervals_hold_what_they_say() -> None:
    """Of 60 samples of one truth most intervals hold it: 95 % should, 85 % is what so few tell for sure."""
    truth = 0.7602  # of two normal distributions of one deviation, one apart
    held = 0
    for seed in range(60):
        found, _ = areas_with_intervals(*_scored(120, 1, seed), draws=200)
        assert found.interval is not None
        held += found.interval.low <= truth <= found.interval.high
    assert held >= 51


@pytest.mark.parametrize(
    ("is_class", "told"),
    [
        ([True] * 4, "there is no sample of another class"),
        ([False] * 4, "there is no sample of the class that is looked for"),
    ],
)
def test_an_area_of_one_kind_is_undefined(is_class: list[bool], told: str) -> None:
    auroc, auprc = areas_with_intervals(np.arange(4.0), np.array(is_class), list("abcd"))
    assert auroc.value is None
    assert auprc.value is None
    assert told in auroc.undefined


def _truth(*findings: str) -> np.ndarray:
    rows = np.zeros((len(findings), 1 + len(FINDINGS)))
    for row, names in zip(rows, findings, strict=True):
        for name in filter(None, names.split("|")):
            row[0] = row[1 + FINDINGS.index(name)] = 1
    return rows


def test_a_finding_is_scored_against_normal_images() -> None:
    truth = _truth("", "", "Mass", "Mass|Hernia", "Effusion")
    predicted = np.full((5, 4), np.nan)
    predicted[:, 0] = [1, 2, 3, 1.5, 0]
    found = xray_metrics(truth, predicted, list("abcde"))
    assert found["auroc_mass"].value == 0.75
    assert found["auroc_hernia"].value == 0.5
    assert found["auroc_effusion"].value == 0
    assert set(found) == {"auroc", "auprc", "auroc_mass", "auroc_hernia", "auroc_effusion"}


def test_boxes_have_what_chance_would_score_beside_them() -> None:
    truth = _truth("", "Mass", "Mass")
    predicted = np.array([[0, np.nan, np.nan, np.nan], [1, 1, 0.5, 0.1], [2, 0, 0.1, 0.3]])
    found = xray_metrics(truth, predicted, list("abc"))
    assert found["pointing"].value == 0.5
    assert found["iou"].value == pytest.approx(0.3)
    assert found["pointing"].baseline is not None
    assert found["pointing"].baseline.value == pytest.approx(0.2)
    assert found["iou"].baseline is not None
    assert found["iou"].baseline.value == pytest.approx((0.1 / 1.9 + 0.3 / 1.7) / 2)


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(TrainingDiverged):
        xray_metrics(_truth("", "Mass"), np.full((2, 4), np.nan), list("ab"))


def test_figures_are_curves_and_a_table_by_finding() -> None:
    chance = np.random.default_rng(0)
    truth = _truth(*["", "Mass", "Pleural_Thickening|Mass", "Nodule"] * 20)
    predicted = np.full((80, 4), np.nan)
    predicted[:, 0] = truth[:, 0] + chance.normal(size=80)
    keys = tuple(map(str, range(80)))
    answers = Answers(truth=truth, predicted=predicted, keys=keys, groups=keys, classes=("a", "b"), split="test")
    roc, precision, table = xray_figures(answers)
    assert isinstance(roc, LineFigure)
    assert isinstance(precision, LineFigure)
    assert isinstance(table, TableFigure)
    assert len(roc.series) == 4
    assert {row[0] for row in table.rows} == {"Mass", "Pleural thickening", "Nodule"}
    assert table.rows[0][1] in ("40", "20")
