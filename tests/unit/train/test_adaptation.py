"""Domain adaptation: what its losses are, that it closes a gap that is planted, and goes on as it was."""

from __future__ import annotations

import logging
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from penstock.errors import ConfigError, SourceUnavailable
from penstock.records import RunRecord, read_record
from penstock.train.adaptation import (
    WEIGHTS,
    Adaptation,
    adaptation_of,
    coral_loss,
    dann_factor,
    mmd_loss,
    reversed_gradient,
)
from penstock.train.result import make_run_record
from support.forked import Forked
from unit.train import runs

METHODS = ("dann", "mmd", "coral")


def domains(shift: float, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(40, 6, generator=draw), torch.randn(30, 6, generator=draw) * scale + shift


def test_coral_is_the_distance_of_covariances() -> None:
    source, target = domains(0.0, scale=3.0)
    wanted = np.linalg.norm(np.cov(source.numpy().T) - np.cov(target.numpy().T), "fro") ** 2 / (4 * 6**2)
    assert coral_loss(source, target).item() == pytest.approx(wanted, rel=1e-5)
    assert coral_loss(source, source).item() == 0.0


def test_mmd_is_that_of_kernels_by_the_median() -> None:
    source, target = domains(1.0)
    both = torch.cat([source, target]).double().numpy()
    distances = ((both[:, None] - both[None]) ** 2).sum(axis=2)
    # torch's median of an even number of values is the lower of the middle two
    median = np.sort(distances[~np.eye(len(both), dtype=bool)])[(len(both) * (len(both) - 1) - 1) // 2]
    kernel = np.mean([np.exp(-distances / (median * each)) for each in (0.25, 0.5, 1, 2, 4)], axis=0)
    wanted = kernel[:40, :40].mean() + kernel[40:, 40:].mean() - 2 * kernel[:40, 40:].mean()
    assert mmd_loss(source, target).item() == pytest.approx(wanted, rel=1e-3)
    assert mmd_loss(source, source).item() == pytest.approx(0.0, abs=1e-6)
    assert mmd_loss(source, target + 3).item() > mmd_loss(source, target).item()


def test_domains_without_any_spread_have_losses_and_gradients_that_are_finite() -> None:
    source = torch.zeros(3, 4, requires_grad=True)
    for loss in (coral_loss, mmd_loss):
        value = loss(source, torch.zeros(2, 4))
        value.backward()
        assert value.item() == 0.0
        assert source.grad is not None
        assert bool(torch.isfinite(source.grad).all())


def test_a_reversed_gradient_is_the_opposite_times_the_factor_of_ganins_schedule() -> None:
    values = torch.tensor([1.0, -2.0], requires_grad=True)
    (reversed_gradient(values, 0.25) * torch.tensor([3.0, 4.0])).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [-0.75, -1.0]
    assert dann_factor(0.0) == 0.0
    assert dann_factor(0.5) == pytest.approx(2 / (1 + math.exp(-5)) - 1)
    assert dann_factor(1.0) == pytest.approx(0.9999, abs=1e-4)


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 3), nn.Linear(3, 1)

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.body(inputs)
        return found


def test_what_dann_gives_the_features_is_against_what_its_classifier_learns() -> None:
    torch.manual_seed(0)
    adaptation = Adaptation(_Net(), method="dann", weight=1.0)
    features = torch.randn(8, 3, requires_grad=True)
    targets = torch.tensor([1.0] * 4 + [math.nan] * 4)
    gradients = []
    for done in (0.0, 0.5, 1.0):
        features.grad = None
        part = adaptation.loss(features, targets, done=done)
        assert part is not None
        part.backward()
        assert features.grad is not None
        gradients.append(features.grad.clone())
    assert not gradients[0].any()
    assert torch.allclose(gradients[1] / dann_factor(0.5), gradients[2] / dann_factor(1.0), atol=1e-6)
    with torch.no_grad():  # a step down what features are told makes domains harder to tell apart
        moved = adaptation.loss(features - 0.5 * gradients[2], targets, done=1.0)
        before = adaptation.loss(features, targets, done=1.0)
    assert moved is not None
    assert before is not None
    assert moved > before


def test_features_that_grow_do_not_escape_the_classifier() -> None:
    torch.manual_seed(0)
    adaptation = Adaptation(_Net(), method="dann", weight=None)
    features = torch.randn(8, 3)
    targets = torch.tensor([1.0] * 4 + [math.nan] * 4)

    small, large = (adaptation.loss(features * size, targets, done=1.0) for size in (1.0, 1e4))

    assert small is not None
    assert large is not None
    assert large.item() == pytest.approx(small.item(), rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_weight_that_is_not_told_is_the_methods_own(method: str) -> None:
    features = torch.randn(8, 3)
    targets = torch.tensor([1.0] * 4 + [math.nan] * 4)
    told = []
    for weight in (None, WEIGHTS[method], 2 * WEIGHTS[method]):
        torch.manual_seed(0)
        told.append(Adaptation(_Net(), method=method, weight=weight).loss(features, targets, done=0.5))
    assert told[0] == told[1]
    assert torch.allclose(2 * told[0], told[2])  # type: ignore[operator, arg-type]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num_target", [0, 1, 7, 8])
def test_batches_that_lack_a_domain_are_told_once(
    method: str, num_target: int, caplog: pytest.LogCaptureFixture
) -> None:
    adaptation = Adaptation(_Net(), method=method, weight=1.0)
    targets = torch.tensor([1.0] * (8 - num_target) + [math.nan] * num_target)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert adaptation.loss(torch.randn(8, 3), targets, done=0.5) is None
    assert [f"{num_target} of the target" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_failed_goes_on_to_the_same_weights(tmp_path: Path, method: str) -> None:
    def fail(epoch: int, position: int) -> None:
        if (epoch, position) == (1, 48):
            raise SourceUnavailable("s3://b/k did not answer", fix="try again")

    config = runs.adapting(method)
    whole = runs.run(tmp_path / "whole", config=config, targets=runs.two_domains)
    plain = runs.run(tmp_path / "plain", targets=runs.two_domains)
    with pytest.raises(SourceUnavailable):
        runs.run(tmp_path / "cut", config=config, targets=runs.two_domains, before_batch=fail)
    found = runs.run(tmp_path / "cut", config=config, targets=runs.two_domains)

    wanted = runs.without_times(make_run_record(whole, run_id="r"))
    assert runs.without_times(make_run_record(found, run_id="r")) == wanted
    assert wanted["weights"] != make_run_record(plain, run_id="r").weights_sha256


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = runs.run(tmp_path / "whole", config=runs.adapting("dann"), targets=runs.two_domains)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    folder = tmp_path / "killed"
    folder.mkdir()
    for words, code in ((("--kill-at", "9"), -signal.SIGKILL), ((), 0)):
        process = Forked([folder, "--adapt", "dann", *words], script=Path(runs.__file__), environment=environment)
        _, stderr = process.communicate(timeout=120)
        assert process.wait() == code, stderr

    record = read_record(folder / "run.json", RunRecord)
    assert record.num_resumes == 1
    assert runs.without_times(record) == runs.without_times(make_run_record(whole, run_id="r"))


def test_networks_without_features_are_refused() -> None:
    config = runs.adapting("mmd")
    with pytest.raises(ConfigError, match="no method features and linear layer head"):
        adaptation_of(nn.Linear(2, 1), config, recipe=None)
    assert adaptation_of(nn.Linear(2, 1), replace(config, adapt="none"), recipe=None) is None


def test_what_does_not_go_with_it_is_refused() -> None:
    for words, told in (
        ({"accumulate": 2}, "--adapt mmd and --accumulate 2"),
        ({"compile": True}, "--adapt mmd and --compile"),
        ({"adapt_weight": 0.0}, "--adapt-weight"),
        ({"adapt_weight": math.inf}, "--adapt-weight"),
        ({"adapt": "tent"}, "--adapt 'tent'"),
        ({"adapt": "none", "adapt_weight": 2.0}, "no --adapt"),
    ):
        with pytest.raises(ConfigError, match=told):
            replace(runs.adapting("mmd"), **words)  # type: ignore[arg-type]
