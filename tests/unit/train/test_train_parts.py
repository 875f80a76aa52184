"""The small pure parts: options, schedule, curve, generators."""

from __future__ import annotations

import io
import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.loader.protocols import Batch
from penstock.recipes.objectives import Classification
from penstock.records import LossPoint, Meters
from penstock.tasks.metrics import metric_value
from penstock.train.config import TrainConfig
from penstock.train.determinism import capture_rng, restore_rng, seed_everything
from penstock.train.device import choose_precision
from penstock.train.journal import MAX_LOSS_POINTS, Curve, Journal
from penstock.train.schedule import KnownSamples, Schedule, make_schedule
from penstock.train.stepper import Stepper


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1.0),
        ("warmup_fraction", 1.0),
        ("clip_norm", 0.0),
        ("clip_norm", math.inf),
        ("patience", 0),
        ("seed", -1),
        ("schedule", "step"),
        ("amp", "on"),
        ("device", "tpu"),
        ("checkpoint_every_steps", 0),
        ("keep_checkpoints", 0),
    ],
)
def test_an_option_that_cannot_be_honoured_is_named_as_it_is_typed(name: str, value: Any) -> None:
    typed = {"num_epochs": "epochs", "warmup_fraction": "warmup", "checkpoint_every_steps": "checkpoint-every"}
    with pytest.raises(ConfigError, match=f"--{typed.get(name, name.replace('_', '-'))} .*{value}"):
        TrainConfig(task="t", model="m", **{name: value})


@given(
    num_steps=st.integers(1, 5000),
    warmup_fraction=st.floats(0, 0.99),
    schedule=st.sampled_from(["cosine", "constant"]),
    data=st.data(),
)
def test_the_rate_rises_then_never_rises_again(
    num_steps: int, warmup_fraction: float, schedule: Any, data: Any
) -> None:
    config = TrainConfig(
        task="t", model="m", num_epochs=1, batch_size=1, schedule=schedule, warmup_fraction=warmup_fraction
    )
    factor = whole_schedule(config, num_steps).factor
    step = data.draw(st.integers(0, num_steps))
    assert 0 < factor(step) <= 1
    if step + 1 < num_steps * warmup_fraction:
        assert factor(step) < factor(step + 1)
    elif step > num_steps * warmup_fraction + 1:
        assert factor(step) <= factor(step - 1)


def whole_schedule(config: TrainConfig, num_samples: int) -> Schedule:
    known = KnownSamples(number=num_samples, are_all=True)
    return make_schedule(config, known, num_samples=num_samples, first_epoch_steps=None)


@given(
    early=st.integers(1, 500),
    later=st.integers(0, 2000),
    num_epochs=st.integers(1, 9),
    warmup_fraction=st.floats(0, 0.99),
    schedule=st.sampled_from(["cosine", "constant"]),
)
def test_the_rate_of_a_run_that_begins_early_rises_stays_and_falls(
    early: int, later: int, num_epochs: int, warmup_fraction: float, schedule: Any
) -> None:
    config = TrainConfig(
        task="t", model="m", num_epochs=num_epochs, batch_size=1, schedule=schedule, warmup_fraction=warmup_fraction
    )
    first = early + later
    part = KnownSamples(number=early, are_all=False)
    begun = make_schedule(config, part, num_samples=None, first_epoch_steps=None)
    known = make_schedule(config, part, num_samples=first, first_epoch_steps=first)
    factors = [begun.factor(step) for step in range(first)]
    factors += [known.factor(step) for step in range(first, num_epochs * first)]
    assert all(0 < factor <= 1 for factor in factors)
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    # The warm-up is that of the first part, and what is known later does not move what was.
    alone = whole_schedule(config, early)
    assert [alone.factor(step) for step in range(alone.num_warmup)] == factors[: alone.num_warmup]
    assert [known.factor(step) for step in range(first)] == factors[:first]
    if schedule == "cosine" and num_epochs > 1 and alone.num_warmup < first:
        assert factors[-1] < 1


@given(losses=st.lists(st.floats(0, 100), max_size=3000))
def test_a_curve_stays_short_and_keeps_the_mean(losses: list[float]) -> None:
    curve = Curve()
    for step, loss in enumerate(losses, start=1):
        curve.add(LossPoint(step=step, epoch=0.0, loss=loss, learning_rate=0.1))
    assert len(curve.points) < max(MAX_LOSS_POINTS, 1)
    assert [point.step for point in curve.points] == [curve.stride * (i + 1) for i in range(len(curve.points))]
    taken = len(curve.points) * curve.stride
    assert taken + curve.pending_steps == len(losses)
    if taken:
        assert np.mean([point.loss for point in curve.points]) == pytest.approx(np.mean(losses[:taken]))


@given(
    step=st.integers(0, 2**40),
    loss_sum=st.floats(allow_nan=False),
    best_score=st.none() | st.floats(allow_nan=False),
    sample_bytes=st.integers(0, 2**60),
)
def test_a_journal_survives_its_plain_form(
    step: int, loss_sum: float, best_score: float | None, sample_bytes: int
) -> None:
    journal = Journal(step=step, loss_sum=loss_sum, best_score=best_score, meters=Meters(sample_bytes=sample_bytes))
    journal.curve.add(LossPoint(step=1, epoch=0.1, loss=loss_sum, learning_rate=0.1))
    journal.end_epoch({"nrmse": metric_value("NRMSE", 1.0, higher_is_better=False)}, valid_seconds=0.5)
    buffer = io.BytesIO()
    torch.save(journal.to_plain(), buffer)
    buffer.seek(0)
    assert Journal.from_plain(torch.load(buffer, weights_only=True)) == journal


@pytest.mark.parametrize(
    ("scores", "higher", "best", "bad"),
    [
        ([1.0, 0.9, 0.95], False, 1, 1),
        ([0.5, 0.7, 0.7], True, 1, 1),
        ([None, 0.9, None], False, 1, 1),
        ([None, 0.9, None, 0.8, None, None], False, 3, 2),
        ([0.5, None, None], True, 0, 2),
        ([None, None], False, 1, 0),
    ],
)
def test_the_best_epoch(scores: list[float | None], higher: bool, best: int, bad: int) -> None:
    journal = Journal()
    for epoch, score in enumerate(scores):
        told = "undefined" if score is None else score
        journal.note_score(epoch, metric_value("score", told, higher_is_better=higher))
    assert (journal.best_epoch, journal.bad_epochs) == (best, bad)


def draw() -> list[float]:
    return [random.random(), random.gauss(0, 1), float(np.random.normal()), float(torch.randn(()))]


def test_generators_go_on_where_they_were_after_a_safe_load() -> None:
    seed_everything(5)
    draw()
    buffer = io.BytesIO()
    torch.save(capture_rng(), buffer)
    expected = [draw() for _ in range(3)]
    seed_everything(6)
    buffer.seek(0)
    restore_rng(torch.load(buffer, weights_only=True))
    assert [draw() for _ in range(3)] == expected


def test_mixed_precision_is_for_cuda_only() -> None:
    assert choose_precision("auto", torch.device("cpu")).dtype is None
    assert choose_precision("off", torch.device("cuda")).dtype is None


def test_a_batch_of_one_sample_that_cannot_be_normalised_is_told() -> None:
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
    stepper = Stepper(
        TrainConfig(task="numbers", model="mine:net", num_threads=1),
        model=model,
        objective=Classification(num_classes=2),
    )

    def batch(size: int) -> Batch:
        keys = tuple(map(str, range(size)))
        data = {"inputs": torch.rand(size, 3), "targets": torch.zeros(size, dtype=torch.float64)}
        return Batch(data=data, keys=keys, groups=keys)

    stepper.step(batch(2), 0, factor=1.0)
    with pytest.raises(ConfigError, match=r"'mine:net' cannot be trained on a batch of one sample .*--batch-size"):
        stepper.step(batch(1), 1, factor=1.0)
