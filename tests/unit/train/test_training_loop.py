"""The training loop: what is learnt, told, scored and refused."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from penstock.errors import OutputUnwritable, TrainingDiverged
from penstock.recipes.eeg.models import build_model
from penstock.recipes.objectives import Classification
from penstock.sources import open_blobs
from penstock.train.checkpoint import Checkpoints, load_weights
from penstock.train.config import TrainConfig
from penstock.train.determinism import seed_everything, weights_sha256
from penstock.train.loop import train
from penstock.train.result import TrainResult, make_run_record
from unit.train import runs
from unit.train.arrays import ArrayLoader, ClassificationTask

LONGER = TrainConfig(task="numbers", model="small", num_epochs=8, batch_size=16, learning_rate=3e-3, num_threads=1)


def scores(result: TrainResult) -> list[float]:
    return [epoch.valid["nrmse"].value for epoch in result.journal.epochs]


def test_it_learns_a_planted_effect_on_other_subjects(tmp_path: Path) -> None:
    result = runs.run(tmp_path, config=LONGER)
    assert min(scores(result)) < 0.6
    assert result.journal.epochs[-1].train_loss < result.journal.epochs[0].train_loss


def test_it_learns_nothing_where_nothing_is_planted(tmp_path: Path) -> None:
    assert min(scores(runs.run(tmp_path, config=LONGER, learnt=False))) > 0.9


def test_the_record_tells_the_run(tmp_path: Path) -> None:
    heard = runs.Heard()
    result = runs.run(tmp_path, heard=heard)
    record = make_run_record(result, run_id="abc", options={"window": "32Mi"})
    assert (record.state, record.error, record.run_id) == ("succeeded", None, "abc")
    assert record.config["window"] == "32Mi"
    assert record.config["learning_rate"] == 1e-3
    assert [epoch.num_steps for epoch in record.epochs] == [runs.STEPS_PER_EPOCH] * 3
    assert [epoch.num_samples for epoch in record.epochs] == [104] * 3
    assert [point.step for point in record.losses] == list(range(1, 22))
    assert record.losses[-1].epoch == 3.0
    assert record.seconds_to_first_batch > 0
    assert record.wall_seconds >= record.stall_seconds + record.compute_seconds
    assert record.host.device == "cpu"
    assert [update.step for update in heard.steps] == list(range(1, 22))
    assert heard.steps[-1].num_steps == 21
    assert [epoch for epoch, _ in heard.epochs] == list(record.epochs)
    best = min(range(3), key=lambda epoch: scores(result)[epoch])
    assert record.best_epoch == best == max(i for i, (_, is_best) in enumerate(heard.epochs) if is_best)


def test_the_best_epochs_weights_are_kept(tmp_path: Path) -> None:
    result = runs.run(tmp_path, config=LONGER)
    weights = load_weights(str(tmp_path))
    assert weights.epoch == result.journal.best_epoch
    assert weights.location == result.checkpoint
    model = build_model("small", shape=runs.SHAPE, num_outputs=1)
    model.load_state_dict(weights.model)
    assert weights_sha256(model) == weights.sha256
    assert load_weights(weights.location).sha256 == weights.sha256


def test_waiting_for_data_counts_as_stall(tmp_path: Path) -> None:
    def wait(epoch: int, position: int) -> None:
        if epoch == 1:
            threading.Event().wait(0.1)

    epochs = runs.run(tmp_path, before_batch=wait).journal.epochs
    assert epochs[1].stall_seconds >= runs.STEPS_PER_EPOCH * 0.1 > epochs[0].stall_seconds


def test_it_stops_early_without_a_better_score(tmp_path: Path) -> None:
    config = TrainConfig(**{**LONGER.as_dict(), "patience": 2, "num_epochs": 40, "learning_rate": 1e-2})  # type: ignore[arg-type]
    result = runs.run(tmp_path, config=config, learnt=False)
    assert result.journal.best_epoch is not None
    assert len(result.journal.epochs) == result.journal.best_epoch + 3 < 40
    assert runs.run(tmp_path, config=config, learnt=False).journal.epochs == result.journal.epochs


def test_a_sample_that_is_not_finite_is_named(tmp_path: Path) -> None:
    inputs = np.zeros((32, *runs.SHAPE), dtype=np.float32)
    inputs[21, 0, 5] = np.nan
    results: list[TrainResult] = []
    with pytest.raises(TrainingDiverged, match="loss is nan at step 2: sample sample-21 holds"):
        train(
            runs.CONFIG,
            task=ClassificationTask(),
            objective=Classification(num_classes=2),
            model=build_model("small", shape=runs.SHAPE, num_outputs=2),
            train_loader=ArrayLoader(inputs, np.arange(32) % 2.0, batch_size=16),
            valid_loader=None,
            checkpoints=Checkpoints(open_blobs(str(tmp_path))),
            identity=runs.make_identity(),
            on_end=results.append,
        )
    assert make_run_record(results[0], run_id="r").state == "failed"
    assert [path.name for path in tmp_path.glob("*.pt")] == ["step-00000000.pt"]


def test_a_place_that_cannot_be_written_to_is_found_before_the_first_batch(tmp_path: Path) -> None:
    def fail(epoch: int, position: int) -> None:
        raise AssertionError

    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputUnwritable, match=r"cannot write .*file/run"):
        runs.run(tmp_path / "file" / "run", before_batch=fail)


def test_too_high_a_rate_is_an_error(tmp_path: Path) -> None:
    config = TrainConfig(
        **{**LONGER.as_dict(), "learning_rate": 1e30, "clip_norm": None, "schedule": "constant"}  # type: ignore[arg-type]
    )
    with pytest.raises(TrainingDiverged, match=r"with learning rate \S+e\+\d+: lower --learning-rate"):
        runs.run(tmp_path, config=config)


def test_samples_without_a_target_are_not_learnt_from(tmp_path: Path) -> None:
    def forget(targets: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(targets)) % 3 == 0, np.nan, targets)

    result = runs.run(tmp_path, config=LONGER, targets=forget)
    assert min(scores(result)) < 0.7


def test_a_batch_that_nothing_could_be_learnt_from_has_no_loss_and_is_in_no_mean(tmp_path: Path) -> None:
    """As the last one of an epoch may be, of the samples of a second domain alone."""
    heard = runs.Heard()
    targets = lambda truth: np.where(np.arange(len(truth)) < 3, truth, np.nan)  # noqa: E731
    result = runs.run(tmp_path, heard=heard, targets=targets)
    told = [update.loss for update in heard.steps]
    known = [loss for loss in told if loss is not None]
    assert len(told) == 21
    assert 3 <= len(known) <= 9
    assert min(known) > 0
    assert [point.loss for point in result.journal.curve.points] == known
    means = [epoch.train_loss for epoch in result.journal.epochs]
    assert all(min(known) <= mean <= max(known) for mean in means)


def test_a_run_without_labels_at_all_stays_finite(tmp_path: Path) -> None:
    result = runs.run(tmp_path, targets=lambda targets: np.full_like(targets, np.nan))
    assert [epoch.train_loss for epoch in result.journal.epochs] == [0.0] * 3


def test_without_validation_the_last_epoch_is_the_best(tmp_path: Path) -> None:
    result = runs.run(tmp_path, with_valid=False)
    assert result.journal.best_epoch == 2
    assert [epoch.valid for epoch in result.journal.epochs] == [{}] * 3
    assert load_weights(str(tmp_path)).sha256 == result.weights_sha256


def test_it_learns_classes(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    kinds = chance.integers(3, size=120)
    inputs = chance.normal(size=(120, *runs.SHAPE)).astype(np.float32)
    inputs[np.arange(120), kinds] += 3 * np.sin(np.arange(runs.SHAPE[1]) / 3).astype(np.float32)
    seed_everything(0)
    result = train(
        LONGER,
        task=ClassificationTask(),
        objective=Classification(num_classes=3),
        model=build_model("small", shape=runs.SHAPE, num_outputs=3),
        train_loader=ArrayLoader(inputs[:90], kinds[:90].astype(np.float64), batch_size=16, seed=0),
        valid_loader=ArrayLoader(inputs[90:], kinds[90:].astype(np.float64), batch_size=16),
        checkpoints=Checkpoints(open_blobs(str(tmp_path))),
        identity=runs.make_identity(LONGER),
    )
    assert max(epoch.valid["accuracy"].value or 0 for epoch in result.journal.epochs) > 0.9


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    other = TrainConfig(**{**runs.CONFIG.as_dict(), "seed": 4})  # type: ignore[arg-type]
    first, second = runs.run(tmp_path / "a"), runs.run(tmp_path / "b", config=other)
    assert first.weights_sha256 != second.weights_sha256
