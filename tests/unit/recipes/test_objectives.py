"""Objectives: losses on known targets only, predictions in the target's unit, and their state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import CheckpointCorrupt, ConfigError, MissingLabel
from penstock.manifest import ManifestInfo, SourceSpec, Split
from penstock.recipes.objectives import (
    Classification,
    Regression,
    make_objective,
    objective_from_state,
    predict,
)
from unit.train.arrays import ArrayLoader

NAN = float("nan")


def manifest(*, classes: tuple[str, ...] = (), mean: float | None = 1.5, std: float | None = 0.4) -> ManifestInfo:
    split = Split(
        name="train",
        first_row=0,
        num_extents=4,
        num_samples=4,
        num_groups=2,
        size_bytes=8,
        target_mean=mean,
        target_std=std,
    )
    return ManifestInfo(
        task="t",
        task_options={},
        source=SourceSpec(uri="s3://b/p"),
        seed=0,
        shape=(2, 40),
        classes=classes,
        splits=(split,),
        num_objects=1,
        object_bytes=8,
        max_extent_bytes=2,
        max_description_bytes=9,
        skipped=(),
        fingerprint="f",
        created_at="2026-01-01T00:00:00+00:00",
        created_by="test",
        fractions=(1.0, 0.0, 0.0),
        split_by="group",
        notes=(),
        values="",
    )


def test_the_manifest_decides_the_kind() -> None:
    assert make_objective(manifest()) == Regression(target_mean=1.5, target_std=0.4)
    assert make_objective(manifest(), regression_loss="smooth_l1").state_dict()["kind"] == "smooth_l1"
    assert make_objective(manifest(classes=("a", "b", "c"))).num_outputs == 3


@pytest.mark.parametrize(
    ("mean", "std"), [(None, None), (1.5, 0.0), (1.5, NAN), (0.1, 1.4e-17), (1.5, 1e-13), (-3.0, 1e-12)]
)
def test_targets_without_spread_cannot_be_learnt(mean: float | None, std: float | None) -> None:
    with pytest.raises(MissingLabel, match="training split"):
        make_objective(manifest(mean=mean, std=std))


def test_an_unknown_loss_is_refused() -> None:
    loss: Any = "mae"
    with pytest.raises(ConfigError, match="'mae': choose one of: mse, smooth_l1"):
        make_objective(manifest(), regression_loss=loss)


@given(
    mean=st.floats(-1e3, 1e3),
    std=st.floats(1e-3, 1e3),
    standard=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=20),
)
def test_a_perfect_network_has_no_loss_and_predicts_the_targets(mean: float, std: float, standard: list[float]) -> None:
    objective = Regression(target_mean=mean, target_std=std)
    outputs = torch.tensor(standard)[:, None]
    targets = torch.tensor(standard, dtype=torch.float64) * std + mean
    loss, num_labelled = objective.loss(outputs, {"targets": targets})
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert num_labelled == len(standard)
    np.testing.assert_allclose(objective.predictions(outputs, {}), targets.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["mse", "smooth_l1"])
def test_unknown_targets_take_no_part_in_a_regression_loss(kind: Any) -> None:
    objective = Regression(target_mean=0.0, target_std=2.0, kind=kind)
    outputs = torch.tensor([[1.0], [7.0], [0.0]], requires_grad=True)
    loss, num_labelled = objective.loss(outputs, {"targets": torch.tensor([0.0, NAN, 4.0], dtype=torch.float64)})
    assert num_labelled == 2
    assert loss.item() == pytest.approx((1 + 4) / 2 if kind == "mse" else (0.5 + 1.5) / 2)
    loss.backward()
    assert outputs.grad is not None
    assert outputs.grad[1] == 0


@pytest.mark.parametrize(
    ("objective", "width"), [(Regression(target_mean=0.0, target_std=1.0), 1), (Classification(num_classes=3), 3)]
)
def test_a_batch_without_targets_has_no_gradient(objective: Any, width: int) -> None:
    outputs = torch.ones(4, width, requires_grad=True)
    loss, num_labelled = objective.loss(outputs, {"targets": torch.full((4,), NAN, dtype=torch.float64)})
    loss.backward()
    assert (loss.item(), num_labelled) == (0, 0)
    assert outputs.grad is not None
    assert not outputs.grad.any()


def test_cross_entropy_of_known_classes() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 0.0], [5.0, 5.0]])
    loss, num_labelled = Classification(num_classes=2).loss(logits, {"targets": torch.tensor([0.0, 1.0, NAN])})
    assert num_labelled == 2
    assert loss.item() == pytest.approx((np.log(1 + np.exp(-2)) + np.log(2)) / 2)


@pytest.mark.parametrize(
    "objective",
    [Regression(target_mean=0.1, target_std=2.5, kind="smooth_l1"), Classification(num_classes=7)],
)
def test_the_state_makes_it_again(objective: Any) -> None:
    assert objective_from_state(objective.state_dict()) == objective


@pytest.mark.parametrize("state", [{}, {"objective": "ranking"}, {"objective": "regression", "mean": 1.0}])
def test_an_unknown_state_is_corrupt(state: Any) -> None:
    with pytest.raises(CheckpointCorrupt, match="unknown objective"):
        objective_from_state(state)


class Mean(torch.nn.Module):
    """Predicts a sample's mean, and twice of it in training."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        means = inputs.mean(dim=(1, 2))[:, None] * self.gain
        return 2 * means if self.training else means


def test_predictions_are_of_labelled_samples_in_order_and_leave_the_mode() -> None:
    inputs = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    targets = np.array([0.0, NAN, 2.0, 3.0, 4.0])
    model = Mean().train()
    loader = ArrayLoader(inputs, targets, batch_size=2, groups=list("abcde"))
    found = predict(model, Regression(target_mean=10.0, target_std=2.0), loader)
    assert found.keys == ("sample-0", "sample-2", "sample-3", "sample-4")
    assert found.groups == ("a", "c", "d", "e")
    np.testing.assert_array_equal(found.truth, [0, 2, 3, 4])
    np.testing.assert_allclose(found.predicted, [10, 14, 16, 18])
    assert model.training


def test_a_split_without_targets_is_an_error() -> None:
    loader = ArrayLoader(np.zeros((3, 2, 3), np.float32), np.full(3, NAN), batch_size=2)
    with pytest.raises(MissingLabel, match="split 'test'"):
        predict(Mean(), Regression(target_mean=0.0, target_std=1.0), loader, split="test")
