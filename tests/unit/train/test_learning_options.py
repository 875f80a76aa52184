"""Options of how a network learns: what each computes, and that a run which is stopped anywhere ends the same."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from penstock.errors import CheckpointMismatch, ConfigError, Interrupted, SourceUnavailable, TrainingDiverged
from penstock.loader.protocols import Batch
from penstock.recipes.objectives import Classification, Regression
from penstock.sources import open_blobs
from penstock.train.checkpoint import Checkpoints, load_weights
from penstock.train.config import TrainConfig
from penstock.train.determinism import seed_everything
from penstock.train.device import choose_precision
from penstock.train.initial import take_weights
from penstock.train.loop import train
from penstock.train.result import TrainResult, make_run_record
from penstock.train.schedule import KnownSamples, make_schedule
from penstock.train.stepper import Stepper
from unit.train import runs
from unit.train.arrays import ArrayLoader, RegressionTask, evoked_data
from unit.train.test_own_steps import Halves, Turns

ACCUMULATE = {"accumulate": 3}
MADE: dict[str, dict[str, Any]] = {
    "accumulate": ACCUMULATE,
    "more than an epoch": {"accumulate": 50},
    "ema": {"ema": 0.9},
    "fp16": {"amp": "fp16"},
    "bf16": {"amp": "bf16"},
    "sgd": {"optimizer": "sgd", "momentum": 0.8},
    "adamax": {"optimizer": "adamax"},
    "nadam": {"optimizer": "nadam"},
    "rmsprop": {"optimizer": "rmsprop", "momentum": 0.5},
    "linear": {"schedule": "linear", "warmup_steps": 4},
    "onecycle": {"schedule": "onecycle"},
    "together": {**ACCUMULATE, "ema": 0.8, "amp": "fp16", "optimizer": "radam", "schedule": "onecycle"},
}


class Odd(nn.Module):
    """Has all that a step may change beside weights: running means, and chance."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(8 * 64, 12), nn.BatchNorm1d(12), nn.Dropout(0.3), nn.ReLU(), nn.Linear(12, 1)
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(inputs)
        return found


def run(folder: Path, *, before_batch: Any = lambda epoch, position: None, heard: Any = None, **changes: Any) -> Any:
    """Train ``Odd`` on 7 batches an epoch, the last one of 8 samples."""
    config = replace(runs.CONFIG, **{"num_epochs": 2, "checkpoint_every_steps": 2, **changes})
    inputs, truth, groups = evoked_data(104, shape=runs.SHAPE)
    truth[5:9] = np.nan
    valid_inputs, valid_truth, _ = evoked_data(40, shape=runs.SHAPE, first_subject=50)
    seed_everything(config.seed)
    return train(
        config,
        task=RegressionTask(),
        objective=Regression(target_mean=1.5, target_std=0.4),
        model=Odd(),
        train_loader=ArrayLoader(
            inputs, truth, batch_size=16, groups=groups, seed=config.seed, before_batch=before_batch
        ),
        valid_loader=ArrayLoader(valid_inputs, valid_truth, batch_size=16),
        checkpoints=Checkpoints(open_blobs(str(folder))),
        identity=runs.make_identity(config),
        progress=heard,
    )


def outcome(result: TrainResult, folder: Path) -> dict[str, object]:
    return runs.without_times(make_run_record(result, run_id="r")) | {"best": load_weights(str(folder)).sha256}


def failing_once() -> Any:
    """Fail before each batch, the first time that it is come to."""
    seen: set[tuple[int, int]] = set()

    def before_batch(epoch: int, position: int) -> None:
        if (epoch, position) not in seen:
            seen.add((epoch, position))
            raise SourceUnavailable("s3://b/k did not answer", fix="try again")

    return before_batch


@pytest.mark.parametrize("changes", MADE.values(), ids=MADE)
def test_a_run_that_fails_before_each_batch_ends_as_an_undisturbed_one(tmp_path: Path, changes: Any) -> None:
    undisturbed = outcome(run(tmp_path / "a", **changes), tmp_path / "a")
    before_batch, failures = failing_once(), 0
    while True:
        try:
            result = run(tmp_path / "b", before_batch=before_batch, **changes)
            break
        except SourceUnavailable:
            failures += 1
    assert failures == 14
    assert outcome(result, tmp_path / "b") == undisturbed
    assert math.isfinite(undisturbed["epochs"][-1][3])  # type: ignore[index]


def test_a_signal_within_a_group_loses_that_group_alone(tmp_path: Path) -> None:
    undisturbed = outcome(run(tmp_path / "a", **ACCUMULATE), tmp_path / "a")

    def stop(epoch: int, position: int) -> None:
        if (epoch, position) == (1, 64):  # the second batch of the second group: the signal is noted, not acted upon
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="after step 4, saved"):
        run(tmp_path / "b", before_batch=stop, **ACCUMULATE)
    assert outcome(run(tmp_path / "b", **ACCUMULATE), tmp_path / "b") == undisturbed


def test_steps_are_of_whole_groups_and_of_what_an_epoch_ends_with(tmp_path: Path) -> None:
    heard = runs.Heard()
    result = run(tmp_path, heard=heard, **ACCUMULATE)
    assert [update.epoch_samples for update in heard.steps] == [48, 96, 104] * 2
    assert [epoch.num_steps for epoch in result.journal.epochs] == [3, 3]
    assert {update.num_steps for update in heard.steps} == {6}


class Plain(nn.Module):
    """Computes nothing over a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(inputs)
        return found


def batch_of(rows: slice, *, num_classes: int | None) -> Batch:
    chance = np.random.default_rng(1)
    inputs = chance.normal(size=(20, 2, 3)).astype(np.float32)
    targets = chance.integers(num_classes, size=20).astype(float) if num_classes else chance.normal(size=20)
    targets[[1, 2, 3, 11]] = np.nan
    data = {"inputs": torch.from_numpy(inputs[rows]), "targets": torch.from_numpy(targets[rows])}
    keys = tuple(f"s{number}" for number in range(20)[rows])
    return Batch(data=data, keys=keys, groups=keys)


def stepper_of(objective: Any, **changes: Any) -> Stepper:
    seed_everything(1)
    model: Any = Plain()
    if objective.num_outputs == 1:
        model.layers[3] = nn.Linear(5, 1)
    config = TrainConfig(task="t", model="m", num_threads=1, learning_rate=0.05, **changes)
    return Stepper(config, model=model, objective=objective)


OBJECTIVES = {
    "regression": Regression(target_mean=0.1, target_std=2.0),
    "smooth": Regression(target_mean=0.1, target_std=2.0, kind="smooth_l1"),
    "classes": Classification(num_classes=3),
    "weighted": Classification(num_classes=3, class_weights=(0.1, 1.0, 3.0), label_smoothing=0.2),
}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_step_of_several_batches_is_that_of_one(objective: Any, optimizer: Any) -> None:
    """Of any sizes, with samples that have no target, in the middle of a run and at an epoch's end."""
    num_classes = 3 if objective.num_outputs == 3 else None
    whole = stepper_of(objective, optimizer=optimizer)
    parts = stepper_of(objective, optimizer=optimizer, accumulate=4)
    for step in range(3):
        one = whole.step(batch_of(slice(0, 20), num_classes=num_classes), step, factor=1.0)
        for rows in (slice(0, 4), slice(4, 13), slice(13, 20)):
            assert parts.learn(batch_of(rows, num_classes=num_classes), step, factor=1.0) is None
        other = parts.finish(step, factor=1.0)
        assert other is not None
        assert (other.num_labelled, other.num_samples) == (one.num_labelled, one.num_samples) == (16, 20)
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
    for mine, theirs in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-4, atol=2e-5)


def test_there_is_no_step_of_no_batch() -> None:
    assert stepper_of(OBJECTIVES["regression"], accumulate=2).finish(0, factor=1.0) is None
    assert stepper_of(OBJECTIVES["regression"]).finish(0, factor=1.0) is None


class Thinning(ArrayLoader):
    """Gives nothing in the place of some batches, as where none of their samples could be used."""

    def epoch(self, epoch: int) -> Iterator[Batch]:
        for number, batch in enumerate(super().epoch(epoch)):
            if number not in (1, 4):
                yield batch


def test_the_schedule_is_right_where_batches_are_left_out(tmp_path: Path) -> None:
    """Each epoch begins at the rate that it would have with all batches."""
    inputs, truth, _ = evoked_data(104, shape=runs.SHAPE)
    heard = runs.Heard()
    config = replace(runs.CONFIG, schedule="linear", warmup_steps=2, num_epochs=3)
    train(
        config,
        task=RegressionTask(),
        objective=Regression(target_mean=1.5, target_std=0.4),
        model=Odd(),
        train_loader=Thinning(inputs, truth, batch_size=16),
        valid_loader=None,
        checkpoints=Checkpoints(open_blobs(str(tmp_path))),
        identity=runs.make_identity(config),
        progress=heard,
    )
    known = KnownSamples(number=104, are_all=True)
    factor = make_schedule(config, known, num_samples=104, first_epoch_steps=None).factor
    wanted = [factor(7 * epoch + step) * config.learning_rate for epoch in range(3) for step in range(5)]
    assert [update.learning_rate for update in heard.steps] == wanted


@pytest.mark.parametrize(("total", "warmup"), [(20, 0.25), (100, 0.3)])
def test_onecycle_is_that_of_torch(total: int, warmup: float) -> None:
    config = TrainConfig(task="t", model="m", num_epochs=1, batch_size=1, schedule="onecycle", warmup_fraction=warmup)
    known = KnownSamples(number=total, are_all=True)
    schedule = make_schedule(config, known, num_samples=total, first_epoch_steps=None)
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=1.0, total_steps=total, pct_start=warmup, cycle_momentum=False
    )
    for step in range(total):
        assert schedule.factor(step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimiser.step()
        theirs.step()


def test_linear_falls_in_a_straight_line_after_as_many_steps_as_were_asked_for() -> None:
    config = TrainConfig(task="t", model="m", num_epochs=1, batch_size=1, schedule="linear", warmup_steps=3)
    known = KnownSamples(number=7, are_all=True)
    factor = make_schedule(config, known, num_samples=7, first_epoch_steps=None).factor
    assert [factor(step) for step in range(8)] == pytest.approx([0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0.25])


def test_the_moving_mean_is_evaluated_and_kept(tmp_path: Path) -> None:
    plain, mean = run(tmp_path / "a"), run(tmp_path / "b", ema=0.9)
    assert mean.weights_sha256 == plain.weights_sha256  # learning is the same
    assert mean.journal.epochs[-1].train_loss == plain.journal.epochs[-1].train_loss
    assert mean.journal.epochs[-1].valid != plain.journal.epochs[-1].valid
    assert load_weights(str(tmp_path / "a")).sha256 != load_weights(str(tmp_path / "b")).sha256
    stepper = stepper_of(OBJECTIVES["regression"], ema=0.5)
    wanted = [each.detach().clone().double() for each in stepper.model.parameters()]
    for step in range(12):
        stepper.step(batch_of(slice(0, 20), num_classes=None), step, factor=1.0)
        decay = min(0.5, (2 + step) / (11 + step))
        wanted = [
            decay * mean + (1 - decay) * now.detach().double()
            for mean, now in zip(wanted, stepper.model.parameters(), strict=True)
        ]
    for mine, theirs in zip(stepper.evaluated.parameters(), wanted, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-5, atol=1e-6)


def test_what_weights_and_smoothing_are_of_the_loss() -> None:
    batch = batch_of(slice(0, 20), num_classes=3).data
    logits = torch.randn(20, 3)
    objective = Classification(num_classes=3, class_weights=(0.5, 1.0, 2.0), label_smoothing=0.1)
    found, number = objective.loss(logits, batch)
    known = torch.isfinite(batch["targets"])
    classes = batch["targets"][known].long()
    spread = torch.full((16, 3), 0.1 / 3).scatter_(1, classes[:, None], 0.9 + 0.1 / 3)
    weights = torch.tensor([0.5, 1.0, 2.0])
    wanted = -(spread * weights * logits[known].log_softmax(1)).sum() / 16
    assert number == 16
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_precision_is_what_was_asked_for(amp: Any) -> None:
    wanted = {"bf16": torch.bfloat16, "fp16": torch.float16}[amp]
    precision = choose_precision(amp, torch.device("cpu"))
    assert (precision.dtype, precision.needs_scaler) == (wanted, amp == "fp16")
    with precision.autocast():
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == wanted
    assert choose_precision("auto", torch.device("cpu")).dtype is None


def test_the_scaler_goes_on_where_it_was(tmp_path: Path) -> None:
    def fail(epoch: int, position: int) -> None:
        if (epoch, position) == (1, 32):
            raise SourceUnavailable("s3://b/k did not answer", fix="try again")

    with pytest.raises(SourceUnavailable):
        run(tmp_path, amp="fp16", before_batch=fail)
    content = Checkpoints(open_blobs(str(tmp_path))).load(runs.make_identity(replace(runs.CONFIG, num_epochs=2)))
    assert content is not None
    assert content["scaler"]["_growth_tracker"] + 9 >= 9
    assert content["scaler"]["scale"] > 0


def test_gradients_that_never_are_finite_end_a_run_of_float16() -> None:
    class Endless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return (self.weight.abs().sqrt() + inputs.flatten(1).sum(1) * 0)[:, None]  # its slope at 0 is endless

    config = TrainConfig(task="t", model="m", num_threads=1, amp="fp16")
    stepper = Stepper(config, model=Endless(), objective=OBJECTIVES["regression"])
    batch = batch_of(slice(0, 20), num_classes=None)
    with pytest.raises(TrainingDiverged, match="gradient's norm"):
        _ = [stepper.step(batch, step, factor=1.0) for step in range(200)]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"momentum": 0.9}, "--momentum 0.9 is given, and --optimizer adamw has none"),
    ({"momentum": 1.0, "optimizer": "sgd"}, r"--momentum 1.0 .*0.9"),
    ({"warmup_fraction": 0.2, "warmup_steps": 5}, "--warmup 0.2 and --warmup-steps 5 are both given"),
    ({"warmup_steps": 0}, "--warmup-steps 0"),
    ({"accumulate": 0}, "--accumulate 0"),
    ({"label_smoothing": 1.0}, "--label-smoothing 1.0"),
    ({"ema": 1.0}, "--ema 1.0 .*0.999"),
    ({"ema": float("nan")}, "--ema nan"),
    ({"class_weights": "1,two"}, "--class-weights '1,two' .*balanced"),
    ({"class_weights": "0,0"}, "--class-weights '0,0'"),
    ({"class_weights": "1,-1"}, "--class-weights '1,-1'"),
    ({"class_weights": "nan,1"}, "--class-weights 'nan,1'"),
    ({"optimizer": "adamy"}, "--optimizer 'adamy' .*adamw, adam"),
    ({"schedule": "step"}, "--schedule 'step' .*onecycle"),
    ({"amp": "fp8"}, "--amp 'fp8' .*bf16"),
]


@pytest.mark.parametrize(("changes", "told"), REFUSED)
def test_what_cannot_be_or_makes_no_sense_together_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        TrainConfig(task="t", model="m", **changes)


@pytest.mark.parametrize(
    ("recipe", "changes", "told"),
    [
        (Halves(), {"optimizer": "sgd"}, "--optimizer sgd is given, and the recipe Halves makes optimisers of its own"),
        (Halves(), {"optimizer": "sgd", "momentum": 0.5}, "--optimizer sgd"),
        (Turns(), {"accumulate": 2}, "--accumulate 2 is given, and the recipe Turns has a training step of its own"),
    ],
)
def test_what_a_recipe_has_no_use_for_is_refused(tmp_path: Path, recipe: Any, changes: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        runs.run(tmp_path, config=replace(runs.CONFIG, **changes), recipe=recipe)


@pytest.mark.parametrize("name", ["accumulate", "ema", "optimizer", "schedule", "warmup_steps"])
def test_a_run_is_bound_to_how_it_learns(tmp_path: Path, name: str) -> None:
    value = {"accumulate": 2, "ema": 0.9, "optimizer": "adam", "schedule": "linear", "warmup_steps": 9}[name]
    run(tmp_path, num_epochs=1)
    with pytest.raises(CheckpointMismatch, match=f"--{name.replace('_', '-')}"):
        run(tmp_path, **{name: value})


def test_precision_may_change_in_the_middle(tmp_path: Path) -> None:
    run(tmp_path, num_epochs=1)
    run(tmp_path, num_epochs=2, amp="fp16")
    assert len(run(tmp_path, num_epochs=3, amp="bf16").journal.epochs) == 3


class Head(nn.Module):
    """A body, and a head of so many outputs."""

    def __init__(self, num_outputs: int, *, more: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, num_outputs)
        if more:
            self.other = nn.Linear(2, 2)


def weights_from(model: nn.Module, tmp_path: Path) -> Any:
    checkpoints = Checkpoints(open_blobs(str(tmp_path)))
    content = {"model": model.state_dict(), "objective": {"objective": "classification", "num_classes": 2}}
    checkpoints.save_best(content, identity=runs.make_identity(), step=1, epoch=0)
    return load_weights(str(tmp_path))


def test_weights_that_fit_are_taken_and_all_others_are_told(tmp_path: Path) -> None:
    source, target = Head(2), Head(7, more=True)
    nn.init.constant_(source.body[1].running_mean, 3.0)  # type: ignore[arg-type]
    fresh = target.head.weight.clone()
    taken = take_weights(target, weights_from(source, tmp_path))
    assert torch.equal(target.body[0].weight, source.body[0].weight)
    assert torch.equal(target.body[1].running_mean, source.body[1].running_mean)  # type: ignore[arg-type]
    assert torch.equal(target.head.weight, fresh)
    said = str(taken)
    assert said.startswith("7 of 11 tensors begin with the weights of ")
    assert "of another shape there: head.weight (7, 4) is (2, 4) there, head.bias (7,) is (2,) there" in said
    assert "fresh, not there: other.weight, other.bias" in said
    assert "not used: other.weight" in str(take_weights(Head(2), weights_from(Head(2, more=True), tmp_path / "more")))


@pytest.mark.parametrize(("there", "here", "is_told"), [("a", "b", True), ("a", "a", False), ("", "b", False)])
def test_weights_of_what_means_another_thing_are_taken_and_that_is_told(
    tmp_path: Path, there: str, here: str, is_told: bool
) -> None:
    weights = weights_from(Head(2), tmp_path)
    weights = replace(weights, identity=msgspec.structs.replace(weights.identity, meaning=there))
    assert ("another tokenizer" in str(take_weights(Head(2), weights, meaning=here))) is is_told


def test_weights_of_which_none_fits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatch, match="fit the network"):
        take_weights(Plain(), weights_from(Head(2), tmp_path))


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_run_begins_with_other_weights_and_never_goes_on_with_them(tmp_path: Path, ema: float | None) -> None:
    run(tmp_path / "first")
    weights = load_weights(str(tmp_path / "first"))
    calls: list[str] = []

    def again(folder: Path, **more: Any) -> Any:
        config = replace(runs.CONFIG, num_epochs=1, ema=ema, learning_rate=1e-12, schedule="constant")
        inputs, truth, _ = evoked_data(48, shape=runs.SHAPE)
        seed_everything(9)

        def initialise(model: nn.Module) -> None:
            calls.append(str(take_weights(model, weights)))

        return train(
            config,
            task=RegressionTask(),
            objective=Regression(target_mean=1.5, target_std=0.4),
            model=Odd(),
            train_loader=ArrayLoader(inputs, truth, batch_size=16, **more),
            valid_loader=None,
            checkpoints=Checkpoints(open_blobs(str(folder))),
            identity=runs.make_identity(config),
            initialise=initialise,
        )

    def fail(epoch: int, position: int) -> None:
        if position == 32:
            raise SourceUnavailable("s3://b/k did not answer", fix="try again")

    with pytest.raises(SourceUnavailable):
        again(tmp_path / "second", before_batch=fail)
    again(tmp_path / "second")
    assert len(calls) == 1
    learnt = load_weights(str(tmp_path / "second")).model
    assert torch.allclose(learnt["layers.1.weight"], weights.model["layers.1.weight"], atol=1e-6)
