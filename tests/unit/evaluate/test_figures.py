"""Figures of evaluations: what is drawn of any classification, what a task and a recipe add, and that it is bounded."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from penstock.errors import ConfigError
from penstock.evaluate.evaluation import evaluate
from penstock.evaluate.familiarity import Familiarity
from penstock.evaluate.figures import MAX_PICTURE_BYTES, bounded
from penstock.loader.protocols import Batch
from penstock.manifest import ManifestInfo
from penstock.recipes.objectives import Classification
from penstock.records import (
    Evaluation,
    Figure,
    LineFigure,
    Picture,
    PictureFigure,
    PictureRow,
    Series,
    TableFigure,
    decode_record,
    encode_record,
)
from penstock.tasks.figures import precision_recall_figure, roc_points, usual_figures
from penstock.tasks.metrics import auroc_metric
from penstock.tasks.pictures import png
from penstock.tasks.protocols import Answers
from unit.recipes.test_objectives import manifest
from unit.train.arrays import ArrayLoader, ClassificationTask


def answers(truth: Sequence[float], logits: Any, classes: Sequence[str]) -> Answers:
    keys = tuple(f"k{number}" for number in range(len(truth)))
    return Answers(
        truth=np.asarray(truth, np.float64), predicted=np.asarray(logits, np.float64), keys=keys, groups=keys,
        classes=tuple(classes), split="test",
    )  # fmt: skip


def _area(points: Sequence[tuple[float, float]]) -> float:
    return sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in itertools.pairwise(points))


@given(st.integers(2, 9), st.integers(0, 1000))
def test_curves_have_the_area_that_the_metric_tells(num_classes: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(num_classes), chance.integers(num_classes, size=40)]).astype(np.float64)
    logits = (chance.normal(size=(truth.size, num_classes)) * 4).round() / 4
    [figure] = usual_figures(answers(truth, logits, [f"c{number}" for number in range(num_classes)]))
    assert isinstance(figure, LineFigure)
    assert len(figure.series) == (1 if num_classes == 2 else min(num_classes, 6))
    told = auroc_metric(truth, logits).value
    assert told is not None
    if num_classes <= 6:
        assert np.mean([_area(series.points) for series in figure.series]) == pytest.approx(told, abs=2e-3)
    for series in figure.series:
        assert series.points[0] == (0, 0)
        assert series.points[-1] == (1, 1)


def test_a_long_curve_is_thinned_and_keeps_its_area() -> None:
    chance = np.random.default_rng(0)
    truth = chance.integers(2, size=20_000).astype(np.float64)
    logits = np.stack([np.zeros(truth.size), chance.normal(size=truth.size) + truth], axis=1)
    [figure] = usual_figures(answers(truth, logits, ("well", "ill")))
    assert isinstance(figure, LineFigure)
    assert len(figure.series[0].points) <= 200
    value = auroc_metric(truth, logits).value
    assert _area(figure.series[0].points) == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize(
    "given_answers",
    [
        answers([1.5, 2.5], [1.0, 2.0], ()),
        answers([1, 1], [[0, 1], [1, 0]], ("a", "b")),
        answers([0, 0], [[0.0], [1.0]], ("a",)),
    ],
    ids=["regression", "one class occurs", "one class there is"],
)
def test_what_has_no_curve_has_none(given_answers: Answers) -> None:
    assert usual_figures(given_answers) == ()


def test_ties_make_a_slope_and_not_a_step() -> None:
    points = roc_points(np.zeros(4), np.array([True, False, True, False]))
    assert points.tolist() == [[0, 0], [1, 1]]


def test_precision_begins_where_guessing_is_drawn() -> None:
    scores, is_ill = np.array([3.0, 2, 1, 0]), np.array([True, True, False, False])
    figure = precision_recall_figure({"a": (scores, is_ill)}, split="test")
    assert figure.series[0].points[:3] == ((0, 1), (0.5, 1), (1, 1))
    assert figure.reference is not None
    assert figure.reference.points == ((0, 0.5), (1, 0.5))


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (3, 4, 3)])
def test_png_is_read_by_others(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(256, size=shape).astype(np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2), np.uint8)])
def test_what_is_no_picture_is_refused(pixels: Any) -> None:
    with pytest.raises(ValueError, match="is no picture"):
        png(pixels)


class _Drawn(ClassificationTask):
    def figures(self, answers: Answers) -> Sequence[Figure]:
        table = TableFigure(title="By sample", header=("Key", "Truth"), rows=((answers.keys[0], "1"),))
        return [table]


class _Watcher:
    def __init__(self) -> None:
        self.seen = 0

    def see(self, batch: Batch, outputs: Any) -> None:
        assert len(outputs) == len(batch)
        self.seen += len(batch)

    def figures(self, answers: Answers) -> Sequence[Figure]:
        picture = Picture(png=png(np.full((2, 2), 7, np.uint8)), told="grey")
        row = PictureRow(caption=f"{self.seen} seen", pictures=(picture,))
        return [PictureFigure(title="Frames", description="d", rows=(row,))]


class _Recipe:
    models = ("toy",)

    def check_model(self, name: str, shape: Sequence[int]) -> None:
        pass

    def build_model(self, name: str, *, shape: Sequence[int], num_outputs: int) -> torch.nn.Module:
        return torch.nn.Linear(2, 2)

    def watch(self, info: ManifestInfo) -> _Watcher:
        assert info.classes
        return _Watcher()


@pytest.mark.parametrize("own", [True, False])
def test_task_and_recipe_have_figures_drawn(own: bool) -> None:
    inputs = np.random.default_rng(0).normal(size=(10, 1, 2)).astype(np.float32)
    found = evaluate(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2, 2)),
        objective=Classification(num_classes=2),
        task=_Drawn() if own else ClassificationTask(),
        loader=ArrayLoader(inputs, np.arange(10.0) % 2, batch_size=4),
        info=manifest(classes=("a", "b")),
        split="test",
        model_name="toy",
        checkpoint_sha256="c",
        familiarity=Familiarity(trained_fingerprint="f", seen_groups=0),
        recipe=_Recipe() if own else None,
    )
    kinds = [type(figure).__name__ for figure in found.figures]
    assert kinds == (["TableFigure", "PictureFigure"] if own else ["LineFigure"])
    if own:
        assert isinstance(found.figures[1], PictureFigure)
        assert found.figures[1].rows[0].caption == "10 seen"
    assert decode_record(encode_record(found), Evaluation) == found


def test_what_is_too_much_is_left_out_and_the_figure_says_so() -> None:
    noise = np.random.default_rng(0).integers(256, size=(600, 600)).astype(np.uint8)
    row = PictureRow(caption="c" * 5_000, pictures=(Picture(png=png(noise), told="t"),) * 2)
    points = tuple((float(number), math.nan if number == 3 else 1.0) for number in range(5_000))
    found = bounded(
        [
            PictureFigure(title="Maps", description="Maps.", rows=(row,) * 9),
            LineFigure(
                title="x", description="Lines.", x_label="", y_label="",
                series=(Series(name="s", points=points),) * 9,
            ),
            TableFigure(title="Rows", header=("a", "b"), rows=(("1",),) * 1_000, text_columns=(0, 7)),
            *[TableFigure(title="more", header=(), rows=())] * 40,
        ]
    )  # fmt: skip
    assert len(found) == 24
    pictures, lines, table = found[:3]
    assert isinstance(pictures, PictureFigure)
    assert isinstance(lines, LineFigure)
    assert isinstance(table, TableFigure)
    assert sum(len(one.png) for each in pictures.rows for one in each.pictures) <= MAX_PICTURE_BYTES
    assert 0 < len(pictures.rows) < 9
    assert f"the first {len(pictures.rows)} of 9 rows" in pictures.description
    assert len(pictures.rows[0].caption) == 1_000
    assert "the first 6 of 9 lines" in lines.description
    assert len(lines.series) == 6
    assert lines.series[0].points[-1] == (4_999, 1)
    assert all(len(series.points) == 500 for series in lines.series)
    assert "the first 200 of 1,000 rows" in table.title
    assert table.rows[0] == ("1", "")
    assert table.text_columns == (0,)


def test_a_picture_that_is_no_png_is_refused() -> None:
    row = PictureRow(caption="", pictures=(Picture(png=b"<svg onload=alert(1)>", told=""),))
    with pytest.raises(ConfigError, match="is no PNG file"):
        bounded([PictureFigure(title="Frames", description="", rows=(row,))])


def test_figures_hold_no_secrets_and_only_text() -> None:
    uri = "https://user:hunter2@host/a?X-Amz-Signature=abcdef0123456789"
    table = TableFigure(title=uri, header=("\ud800",), rows=((uri,),))
    [found] = bounded([table])
    assert isinstance(found, TableFigure)
    assert "hunter2" not in repr(found)
    assert found.header == ("?",)
