"""Options of how a network computes: they change no more than the last bits, and say where they cannot."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from penstock.errors import ConfigError, SourceUnavailable
from penstock.loader.protocols import Batch
from penstock.recipes.objectives import Regression
from penstock.train.config import TrainConfig
from penstock.train.determinism import seed_everything, weights_sha256
from penstock.train.network import channels_last
from penstock.train.stepper import Stepper
from unit.train import runs
from unit.train.test_learning_options import Odd, failing_once, outcome, run
from unit.train.test_own_steps import Turns

OBJECTIVE = Regression(target_mean=0.0, target_std=1.0)


class Pictures(nn.Module):
    """A small convolutional network, whose first part can compute its activations again."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2))
        self.last = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
        self.calls, self.is_checkpointed, self.strides = 0, False, (0,)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        self.is_checkpointed = enable

    def _first(self, inputs: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.strides = inputs.stride()
        found: torch.Tensor = self.first(inputs)
        return found

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        body: Any = (
            checkpoint(self._first, inputs, use_reentrant=False) if self.is_checkpointed else self._first(inputs)
        )
        found: torch.Tensor = self.last(body)
        return found


def pictures(num_samples: int = 6) -> Batch:
    chance = np.random.default_rng(2)
    inputs = torch.from_numpy(chance.normal(size=(num_samples, 3, 8, 8)).astype(np.float32))
    targets = torch.from_numpy(chance.normal(size=num_samples))
    keys = tuple(f"s{number}" for number in range(num_samples))
    return Batch(data={"inputs": inputs, "targets": targets}, keys=keys, groups=keys)


def learnt(model: nn.Module, **changes: Any) -> Stepper:
    """Return what three steps make of a network."""
    config = TrainConfig(task="t", model="m", num_threads=1, **changes)
    stepper = Stepper(config, model=model, objective=OBJECTIVE)
    for step in range(3):
        stepper.step(pictures(), step, factor=1.0)
    return stepper


def fresh() -> Pictures:
    seed_everything(5)
    return Pictures()


def test_activations_that_are_computed_again_are_the_same() -> None:
    plain, again = learnt(fresh()), learnt(fresh(), checkpoint_activations=True)
    weights = [dict(each.model.named_parameters()) for each in (plain, again)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert (plain.model.calls, again.model.calls) == (3, 6)


def test_images_are_laid_out_channels_last() -> None:
    networks = fresh(), fresh()
    for network in networks:
        network.first[3] = nn.Identity()  # dropout draws for values in the order in which they lie
    plain, last = learnt(networks[0], optimizer="sgd"), learnt(networks[1], optimizer="sgd", channels_last=True)
    assert last.model.strides[1] == 1 != plain.model.strides[1]  # type: ignore[union-attr, index]
    assert last.model.first[0].weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[index, union-attr]
    for mine, theirs in zip(plain.model.parameters(), last.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)
    tree = channels_last({"a": [torch.zeros(1, 2, 3, 4)], "b": (torch.zeros(2), 7)})
    assert tree["a"][0].stride() == (24, 1, 8, 2)
    assert tree["b"][1] == 7


@pytest.fixture
def eager_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace networks as is done to compile them, and have torch compute what was traced."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))


@pytest.mark.usefixtures("eager_compiler")
def test_a_compiled_network_keeps_its_names_of_weights() -> None:
    plain, compiled = learnt(fresh()), learnt(fresh(), compile=True, ema=0.5)
    assert plain.model.state_dict().keys() == compiled.model.state_dict().keys()
    assert weights_sha256(plain.model) == weights_sha256(compiled.model)
    assert not any(name.startswith("_orig") for name in compiled.weights()["model"])


@pytest.mark.usefixtures("eager_compiler")
def test_a_compiled_run_that_fails_anywhere_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    """Its last batch of an epoch has a shape of its own."""
    changes = {"compile": True, "num_epochs": 1}
    undisturbed = outcome(run(tmp_path / "a", **changes), tmp_path / "a")
    before_batch, failures = failing_once(), 0
    while True:
        try:
            result = run(tmp_path / "b", before_batch=before_batch, **changes)
            break
        except SourceUnavailable:
            failures += 1
    assert failures == 7
    assert outcome(result, tmp_path / "b") == undisturbed
    assert undisturbed["weights"] == run(tmp_path / "c", num_epochs=1).weights_sha256


def test_a_network_that_cannot_be_compiled_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(graph: Any, inputs: Any) -> Any:
        raise FileNotFoundError("no g++")

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=lacking))
    with pytest.raises(ConfigError, match=r"the model 'm' cannot be compiled here .*leave --compile out"):
        learnt(fresh(), compile=True)


class Refusing(Pictures):
    """As timm's networks say that they cannot."""

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        assert not enable, "gradient checkpointing not supported"


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (Odd, {"checkpoint_activations": True}, "the model 'm' cannot do that .it has no method set_grad_checkpointing"),
    (Refusing, {"checkpoint_activations": True}, "gradient checkpointing not supported"),
    (Odd, {"channels_last": True}, "the model 'm' has no convolutions of images"),
]


@pytest.mark.parametrize(("network", "changes", "told"), REFUSED)
def test_what_a_network_cannot_do_is_refused(network: Any, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Stepper(TrainConfig(task="t", model="m", **changes), model=network(), objective=OBJECTIVE)


def test_a_recipe_of_steps_of_its_own_is_not_compiled(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--compile is given, and the recipe Turns has a training step of its own"):
        runs.run(tmp_path, config=replace(runs.CONFIG, compile=True), recipe=Turns())


def test_algorithms_of_other_bits_are_allowed_where_that_is_asked_for() -> None:
    seed_everything(1, deterministic=False)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark
    seed_everything(1)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark


def test_a_network_without_a_deterministic_algorithm_is_told() -> None:
    class Random(Pictures):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            if torch.are_deterministic_algorithms_enabled():
                raise RuntimeError(
                    "put_ does not have a deterministic implementation, but you set "
                    "'torch.use_deterministic_algorithms(True)'."
                )
            return super().forward(inputs)

    seed_everything(5)
    with pytest.raises(ConfigError, match=r"gives the same bits each time .*--deterministic false"):
        learnt(Random())
    seed_everything(5, deterministic=False)
    try:
        learnt(Random(), deterministic=False)
    finally:
        seed_everything(5)
