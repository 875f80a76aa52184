"""Batches of a task's values: any type and structure as it is, and what does not go together told in a line."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from penstock.errors import ConfigError, DataError
from penstock.loader.collate import ReusingCollate
from penstock.loader.protocols import Batch
from penstock.loader.samples import named_decoding
from penstock.manifest import Described, Extent
from penstock.recipes.objectives import Classification, Regression
from penstock.train.config import TrainConfig
from penstock.train.stepper import Stepper

ABOUT = Extent(key="e", group="g", spans=(), num_samples=3, groups=("x", "y", "z"))


def passed_on(data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
    return [data[number] for number in numbers.tolist()]


def batch_of(values: Sequence[Any], **changes: Any) -> Batch:
    """Make the batch of an extent's last two values."""
    decoding = named_decoding(passed_on, **{"transform": None, "collate": ReusingCollate(), **changes})
    decoding = pickle.loads(pickle.dumps(decoding))  # as it goes to workers
    named = list(decoding.decode(values, ABOUT, "", np.array([1, 2])))
    if decoding.transform is not None:
        named = [decoding.transform(each, np.random.default_rng(0)) for each in named]
    batch: Batch = decoding.collate(named)
    return batch


def test_values_of_any_type_and_structure_stay_as_they_are() -> None:
    def value(number: int) -> dict[str, Any]:
        image = np.full((2, 3), number, np.uint8)
        inputs = {"image": image, "tokens": torch.tensor([number, 7]), "wave": np.full(4, number, np.float16)}
        return {"inputs": inputs, "targets": np.full((2, 2), number, np.int32), "text": f"t{number}", "weight": 0.5}

    batch = batch_of([value(number) for number in range(3)])
    assert (batch.keys, batch.groups, len(batch)) == (("e#1", "e#2"), ("y", "z"), 2)
    inputs = batch.data["inputs"]
    assert {name: each.dtype for name, each in inputs.items()} == {
        "image": torch.uint8,
        "tokens": torch.int64,
        "wave": torch.float16,
    }
    assert inputs["image"].tolist() == [[[1] * 3] * 2, [[2] * 3] * 2]
    assert (batch.data["targets"].dtype, batch.data["targets"].shape) == (torch.int32, (2, 2, 2))
    assert batch.data["text"] == ["t1", "t2"]
    assert batch.data["weight"].dtype == torch.float64


def test_a_target_that_is_not_known_is_nan() -> None:
    values = [{"inputs": 1.0, "targets": each} for each in (0.0, None, 2.0)]
    np.testing.assert_equal(batch_of(values).data["targets"].numpy(), [np.nan, 2.0])
    assert batch_of(values).data["targets"].dtype == torch.float64


def doubled(value: Any, rng: np.random.Generator | None) -> Any:
    return {"inputs": value * 2}


def ragged(values: list[Any]) -> dict[str, Any]:
    return {"inputs": nn.utils.rnn.pad_sequence([torch.as_tensor(each["inputs"]) for each in values])}


def test_a_tasks_own_transform_and_collate() -> None:
    assert batch_of([1.0, 2.0, 3.0], transform=doubled).data["inputs"].tolist() == [4.0, 6.0]
    values = [{"inputs": np.arange(size)} for size in (1, 2, 3)]
    assert batch_of(values, collate=ragged).data["inputs"].shape == (3, 2)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([{"inputs": np.zeros(size)} for size in (1, 2, 3)], "do not go together, e#1 and 1 more"),
        ([{"inputs": 1.0, "targets": 1.0}, {"inputs": 1.0, "targets": 1.0}, {"inputs": 1.0}], "do not go together"),
        ([{"inputs": object()}] * 3, "do not go together"),
        ([{"image": np.zeros(2)}] * 3, "a batch is the names image, without 'inputs'"),
        ([np.zeros(2)] * 3, "a batch is a Tensor, without 'inputs'"),
        ([(np.zeros(2), 1.0)] * 3, "a batch is a list, without 'inputs'"),
    ],
)
def test_what_makes_no_batch_is_told_with_a_sample(values: list[Any], told: str) -> None:
    with pytest.raises(DataError, match=told) as found:
        batch_of(values)
    assert found.value.about == "e#1"
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("objective", [Regression(target_mean=0.0, target_std=1.0), Classification(num_classes=2)])
@pytest.mark.parametrize("batch", [{"inputs": 1}, {"targets": torch.zeros(2, 3)}, {"targets": ["a", "b"]}])
def test_targets_that_are_not_one_a_sample_need_an_objective_of_their_own(objective: Any, batch: Any) -> None:
    for use in (objective.truth, lambda given: objective.loss(torch.zeros(2, objective.num_outputs), given)):
        with pytest.raises(ConfigError, match="make_objective"):
            use(batch)


class Words(nn.Module):
    """Takes whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.last = nn.Embedding(9, 4, dtype=torch.float64), nn.Linear(4, 1, dtype=torch.float64)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        assert inputs["words"].dtype == torch.int16
        answers: torch.Tensor = self.last(self.words(inputs["words"].long()).mean(dim=1))
        return answers


def test_a_step_casts_nothing_and_names_what_is_not_finite() -> None:
    class Middle:
        num_outputs = 1

        def loss(self, outputs: torch.Tensor, batch: Any) -> tuple[torch.Tensor, int]:
            assert outputs.dtype == torch.float64
            return (outputs - batch["inputs"]["wanted"]).square().mean(), len(outputs)

    objective: Any = Middle()
    stepper = Stepper(TrainConfig(task="t", model="words", num_epochs=1), model=Words(), objective=objective)
    inputs = {"words": torch.ones(3, 2, dtype=torch.int16), "wanted": torch.ones(3, 1, dtype=torch.float64)}
    batch = Batch(data={"inputs": inputs}, keys=("a", "b", "c"), groups=("a", "b", "c"))
    losses = [stepper.step(batch, step, factor=1.0).loss for step in range(3)]
    assert losses[2] < losses[0]
    inputs["wanted"][1] = float("nan")
    with pytest.raises(Exception, match=r"sample b holds values that are not finite"):
        stepper.step(batch, 3, factor=1.0)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (torch.zeros(2, 3, dtype=torch.float64), r"inputs are float64 of shape \(2, 3\)"),
        (torch.zeros(2, 3, dtype=torch.int64), r"inputs are int64 of shape \(2, 3\)"),
        (torch.zeros(2, 4), r"inputs are float32 of shape \(2, 4\)"),
    ],
)
def test_inputs_that_the_network_cannot_take_are_told_in_a_line(inputs: torch.Tensor, told: str) -> None:
    config = TrainConfig(task="t", model="linear", num_epochs=1)
    stepper = Stepper(config, model=nn.Linear(3, 1), objective=Regression(target_mean=0.0, target_std=1.0))
    batch = Batch(data={"inputs": inputs, "targets": torch.zeros(2)}, keys=("a", "b"), groups=("a", "b"))
    with pytest.raises(ConfigError, match=told) as found:
        stepper.step(batch, 0, factor=1.0)
    assert "'linear'" in str(found.value)
    assert "\n" not in str(found.value)
