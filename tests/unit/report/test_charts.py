from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.records import (
    EpochRecord,
    Evaluation,
    Host,
    LossPoint,
    Meters,
    Prediction,
    RunRecord,
    Saves,
    StepEvaluation,
)
from penstock.report.charts import confusion_chart, loss_chart, score_chart, stall_chart, truth_chart
from penstock.report.progress import Progress
from support.metrics import nrmse

SVG = "{http://www.w3.org/2000/svg}"


def _run(*, num_epochs: int, num_points: int = 50) -> RunRecord:
    epochs = tuple(
        EpochRecord(
            epoch=epoch, num_steps=10, num_samples=100, train_loss=1 / (epoch + 1), valid={"nrmse": nrmse(1.0)},
            stall_seconds=1.0, compute_seconds=3.0, valid_seconds=0.5,
        )
        for epoch in range(num_epochs)
    )  # fmt: skip
    losses = tuple(
        LossPoint(step=step, epoch=step / 10, loss=1.0 + step % 7, learning_rate=0.1) for step in range(num_points)
    )
    return RunRecord(
        run_id="r", task="t", model="m", score="nrmse", num_parameters=1, config={},
        manifest_fingerprint="", plan_fingerprint="",
        state="succeeded", error=None, started_at="", ended_at="", wall_seconds=1.0, seconds_to_first_batch=0.0,
        num_resumes=0, best_epoch=0, checkpoint=None, weights_sha256=None,
        host=Host(num_cpus=1, device="cpu", num_devices=0), losses=losses, epochs=epochs, meters=Meters(),
        saves=Saves(),
        unfinished_samples=0,
    )  # fmt: skip


def _evaluation(*, num_predictions: int = 0, **changes: Any) -> Evaluation:
    predictions = tuple(
        Prediction(key=f"k{index}", group="g", truth=float(index), predicted=float(index % 10))
        for index in range(num_predictions)
    )
    fields: dict[str, Any] = {
        "task": "t", "model": "m", "split": "test", "manifest_fingerprint": "", "checkpoint_sha256": "",
        "num_samples": num_predictions, "num_groups": 1, "score": "nrmse", "metrics": {}, "classes": (),
        "trained_fingerprint": "", "seen_groups": 0,
        "notes": (),
        "confusion": (), "predictions": predictions, "wall_seconds": 1.0, "meters": Meters(),
    }  # fmt: skip
    return Evaluation(**(fields | changes))


def _texts(svg: str) -> set[str]:
    return {element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")}


def _described(svg: str) -> str:
    found = ET.fromstring(svg).find(f"{SVG}desc")
    assert found is not None
    return found.text or ""


def test_stall_is_stacked_on_compute_to_scale() -> None:
    svg = stall_chart(_run(num_epochs=4))
    bars: dict[str, list[tuple[float, float]]] = {}
    for path in ET.fromstring(svg).iter(f"{SVG}path"):
        colour = re.search(r"fill: (var\(--chart-\d)", path.get("style", ""))
        heights = [float(number) for number in re.findall(r"[ML] [\d.]+ ([\d.]+)", path.get("d", ""))]
        if colour and path.get("clip-path"):
            bars.setdefault(colour[1], []).append((min(heights), max(heights)))
    compute, stall = bars["var(--chart-1"], bars["var(--chart-2"]
    assert len(compute) == len(stall) == 4
    for (compute_top, ground), (stall_top, stall_bottom) in zip(compute, stall, strict=True):
        assert stall_bottom == pytest.approx(compute_top, abs=0.02)
        assert (ground - compute_top) / (stall_bottom - stall_top) == pytest.approx(3.0, rel=0.01)
    assert "25.0%" in _described(svg)


def test_very_many_epochs_are_grouped_and_said_so() -> None:
    assert "the mean of 10 epochs" in _described(stall_chart(_run(num_epochs=600)))


def test_very_many_steps_are_averaged_and_said_so() -> None:
    svg = loss_chart(_run(num_epochs=3, num_points=100_000))
    assert len(svg) < 60_000
    assert "the mean of 250 recorded points" in _described(svg)


def test_very_many_predictions_are_thinned_and_said_so() -> None:
    svg = truth_chart(_evaluation(num_predictions=20_000))
    assert len(svg) < 150_000
    assert "1,500 of 20,000 samples" in _described(svg)
    uses = [use for use in ET.fromstring(svg).iter(f"{SVG}use") if use.get("style") is None]
    assert len(uses) >= 1500


def test_predictions_that_are_no_numbers_are_left_out() -> None:
    bad = Prediction(key="k", group="g", truth=float("nan"), predicted=1.0)
    assert "0 of 1 samples" in _described(truth_chart(_evaluation(num_samples=1, predictions=(bad,))))


def test_best_epoch_and_baseline_are_marked() -> None:
    svg = score_chart(_run(num_epochs=3), "nrmse")
    assert {"NRMSE", "learnt nothing", "best: 1.000"} <= _texts(svg)
    assert "at epoch 1" in _described(svg)


def test_of_evaluations_at_one_place_the_best_step_is_marked() -> None:
    """Few long samples make many steps: all these evaluations lie where as many samples were begun."""
    found = tuple(
        StepEvaluation(step=step, epoch=0.4, valid={"nrmse": nrmse(value)}, valid_seconds=0.1)
        for step, value in ((10, 0.75), (20, 0.25), (30, 0.5))
    )
    run = msgspec.structs.replace(_run(num_epochs=1), evaluations=found, best_step=20)
    assert "best: 0.250" in _texts(score_chart(run, "nrmse"))
    assert "Best, at step 20: 0.25." in _described(score_chart(run, "nrmse"))


def test_what_happens_within_epochs_is_drawn_by_steps() -> None:
    """Else all of a single epoch, or of few texts that make many steps, would lie on one vertical line."""
    whole = _run(num_epochs=3)
    assert "epochs done" in _texts(loss_chart(whole))
    within = msgspec.structs.replace(
        whole,
        evaluations=(StepEvaluation(step=5, epoch=0.5, valid={"loss": nrmse(2.0)}, valid_seconds=0.1),),
    )
    at_one_place = msgspec.structs.replace(
        whole, losses=tuple(msgspec.structs.replace(point, epoch=point.step // 5 / 2) for point in whole.losses)
    )
    for run in (within, at_one_place, _run(num_epochs=1, num_points=10), _run(num_epochs=0, num_points=4)):
        assert "steps done" in _texts(loss_chart(run))
        assert "steps done" in _texts(score_chart(run, "nrmse"))
        assert "epochs done" not in _texts(loss_chart(run)) | _texts(score_chart(run, "nrmse"))
    assert "validation" in _texts(loss_chart(within))
    assert Progress.of([within]).ends(within) == [10.0, 20.0, 30.0]
    assert Progress.of([within]).scores(within, "loss") == [(5.0, 2.0)]
    assert Progress.of([whole, within]).noun == "step"


def test_confusion_tells_counts_and_names() -> None:
    svg = confusion_chart(_evaluation(classes=("ad", "$x^2$ & $y$"), confusion=((31, 7), (4, 58))))
    assert {"31", "7", "4", "58", "ad", "$x^2$ & $y$"} <= _texts(svg)


def test_of_many_classes_those_are_drawn_that_are_mistaken() -> None:
    size = 900  # to draw them all takes minutes, and gigabytes
    counts = np.diag(np.full(size, 3))
    counts[700, 41] = counts[41, 700] = 5
    classes = tuple(f"c{number}" for number in range(size))
    svg = confusion_chart(_evaluation(classes=classes, confusion=tuple(map(tuple, counts.tolist()))))
    shown = _texts(svg)
    assert {"c41", "c700"} <= shown
    assert len(shown & set(classes)) == 24
    assert "Of 900 classes the 24 are drawn that are mistaken most often." in svg
    assert len(svg) < 300_000


@settings(max_examples=15, deadline=None)
@given(names=st.lists(st.text(), min_size=2, max_size=2))
def test_any_class_name_makes_a_picture_and_stays_text(names: list[str]) -> None:
    svg = confusion_chart(_evaluation(classes=tuple(names), confusion=((1, 0), (0, 1))))
    svg.encode("utf-8")
    tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(svg).iter()}
    assert tags <= {"svg", "g", "path", "use", "defs", "text", "tspan", "title", "desc", "clipPath", "rect"}


@pytest.mark.parametrize("chart", [loss_chart, stall_chart])
@pytest.mark.parametrize("num_epochs", [0, 1, 2])
def test_short_runs_make_pictures(chart: Any, num_epochs: int) -> None:
    ET.fromstring(chart(_run(num_epochs=num_epochs, num_points=num_epochs)))


def test_same_record_gives_the_same_bytes_and_colours_follow_the_page() -> None:
    svg = loss_chart(_run(num_epochs=5))
    assert svg == loss_chart(_run(num_epochs=5))
    assert "currentColor" in svg
    assert "var(--chart-1, #2563c9)" in svg
    assert "#000000" not in svg
    assert "font-family: 'DejaVu" not in svg
