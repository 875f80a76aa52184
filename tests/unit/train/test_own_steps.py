"""Recipes with optimisers and training steps of their own: stopped anywhere, they end with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from penstock.errors import CheckpointMismatch, ConfigError, DataError, TrainingDiverged
from penstock.train.result import make_run_record
from unit.train import runs


class Halves:
    """Two optimisers of different kinds over the halves of a network, on one loss."""

    def make_optimisers(self, model: Any, *, learning_rate: float, weight_decay: float) -> list[Any]:
        parameters = list(model.parameters())
        half = len(parameters) // 2
        slow = torch.optim.SGD(parameters[:half], lr=learning_rate / 2, momentum=0.9)
        return [slow, torch.optim.Adam(parameters[half:], lr=learning_rate, weight_decay=weight_decay)]


class Turns(Halves):
    """One half learns from the batch, then the other from what has become of it."""

    def __init__(self) -> None:
        self.rates: list[tuple[float, float]] = []

    def training_step(self, model: Any, batch: Any, optimisers: Any, update: Any) -> tuple[float, int]:
        targets = batch["targets"].float()[:, None]
        first = update((model(batch["inputs"]) - targets).square().mean(), optimisers[0])
        second = update((model(batch["inputs"]) - targets).abs().mean(), optimisers[1])
        self.rates.append((optimisers[0].param_groups[0]["lr"], optimisers[1].param_groups[0]["lr"]))
        return (first + second) / 2, len(targets)


def failing_at(epoch: int, position: int) -> Any:
    def before_batch(at_epoch: int, at_position: int) -> None:
        if (at_epoch, at_position) == (epoch, position):
            raise DataError("not there", fix="try again")

    return before_batch


@pytest.mark.parametrize("kind", [Halves, Turns])
def test_a_stopped_run_ends_with_the_same_weights(tmp_path: Path, kind: type[Halves]) -> None:
    whole = runs.run(tmp_path / "whole", recipe=kind())
    with pytest.raises(DataError):
        runs.run(tmp_path / "stopped", recipe=kind(), before_batch=failing_at(1, 32))
    again = runs.run(tmp_path / "stopped", recipe=kind())
    assert again.journal.num_resumes == 1
    assert runs.without_times(make_run_record(again, run_id="r")) == runs.without_times(
        make_run_record(whole, run_id="r")
    )
    plain = runs.run(tmp_path / "plain")
    assert plain.weights_sha256 != whole.weights_sha256


def test_the_schedule_multiplies_each_ones_own_rate(tmp_path: Path) -> None:
    recipe = Turns()
    runs.run(tmp_path, recipe=recipe)
    assert len({second for _, second in recipe.rates}) > 3
    assert all(first == pytest.approx(second / 2) for first, second in recipe.rates)


def test_what_diverges_or_makes_no_optimisers_is_told(tmp_path: Path) -> None:
    class Endless(Turns):
        def training_step(self, model: Any, batch: Any, optimisers: Any, update: Any) -> tuple[float, int]:
            return update(model(batch["inputs"]).mean() * float("inf"), *optimisers), 1

    class Empty:
        def make_optimisers(self, model: Any, *, learning_rate: float, weight_decay: float) -> list[Any]:
            return []

    with pytest.raises(TrainingDiverged):
        runs.run(tmp_path / "endless", recipe=Endless())
    with pytest.raises(ConfigError, match="make_optimisers of Empty gives none"):
        runs.run(tmp_path / "empty", recipe=Empty())


def test_a_checkpoint_of_other_optimisers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        runs.run(tmp_path, recipe=Halves(), before_batch=failing_at(1, 32))
    with pytest.raises(CheckpointMismatch, match="do not fit"):
        runs.run(tmp_path)
