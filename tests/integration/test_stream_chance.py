"""Chance: what is decoded draws nothing of the training loop's, and is the same however it is read."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from support.objects import number_of, write_objects

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS, BATCH = 40, 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects"), NUM_OBJECTS)


def decode(data: memoryview, key: str) -> torch.Tensor:
    """Draw from every generator that a process has, as careless augmentation does."""
    return torch.tensor([number_of(data, key), torch.rand(()), np.random.random(), random.random()])


def transform(value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    return torch.cat([value, torch.tensor([rng.random()]), torch.randn(3)])


def collate(values: list[torch.Tensor]) -> torch.Tensor:
    """Draw as mixing of samples does."""
    return torch.stack(values) + torch.rand(()) + np.random.random()


class Training:
    """A loop with dropout, whose losses depend on the generators of the process."""

    def __init__(self) -> None:
        torch.manual_seed(7)
        np.random.seed(7)
        random.seed(7)
        self.model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 1))
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=1e-6)

    def step(self, batch: torch.Tensor) -> float:
        loss = self.model(batch.float()).square().mean() * (1 + random.random() + np.random.random())
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())


def stream(folder: Path, workers: int = 0, **changed: Any) -> penstock.Stream:
    options = {"decode": decode, "transform": transform, "collate": collate, "batch_size": BATCH, "window": "1Mi"}
    return penstock.Stream(str(folder), workers=workers, seed=5, **(options | changed))


@pytest.fixture(scope="module")
def reference(folder: Path) -> tuple[list[torch.Tensor], list[float]]:
    """Batches of two epochs, and the losses of a loop that is given them from memory."""
    with stream(folder) as read:
        batches = [batch.clone() for _ in range(2) for batch in read]
    training = Training()
    return batches, [training.step(batch) for batch in batches]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_losses_are_those_of_a_loop_that_reads_nothing(
    folder: Path, reference: tuple[list[torch.Tensor], list[float]], workers: int
) -> None:
    batches, losses = reference
    assert len({float(batch.sum()) for batch in batches}) == len(batches)
    with stream(folder, workers) as read:
        training = Training()
        found = [(batch, training.step(batch)) for _ in range(2) for batch in read]
    assert all(torch.equal(batch, wanted) for (batch, _), wanted in zip(found, batches, strict=True))
    assert [loss for _, loss in found] == losses


@pytest.mark.parametrize("workers", [0, 2])
def test_losses_after_a_resume_are_those_that_would_have_come(
    folder: Path, reference: tuple[list[torch.Tensor], list[float]], workers: int
) -> None:
    training = Training()
    losses = []
    with stream(folder, 2 - workers) as read:
        for number, batch in enumerate(read):
            losses.append(training.step(batch))
            if number == 2:
                state = read.state_dict()
                break
    with stream(folder, workers) as read:
        read.load_state_dict(state)
        losses += [training.step(batch) for _ in range(2) for batch in read]
    assert losses == reference[1]


def test_an_error_of_a_decoder_leaves_the_generators_as_they_were(folder: Path) -> None:
    def fails(data: memoryview, key: str) -> None:
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        raise ValueError(key)

    before = torch.get_rng_state(), np.random.get_state(legacy=False), random.getstate()
    with stream(folder, decode=fails) as read, pytest.raises(ValueError, match="bin"):
        next(iter(read))
    assert torch.equal(before[0], torch.get_rng_state())
    assert random.getstate() == before[2]
    after = np.random.get_state(legacy=False)
    assert np.array_equal(after["state"]["key"], before[1]["state"]["key"])
    assert after["state"]["pos"] == before[1]["state"]["pos"]
