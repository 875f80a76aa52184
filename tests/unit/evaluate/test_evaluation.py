"""Evaluations: whole splits scored, counted and thinned for plots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import SourceChanged
from penstock.evaluate.evaluation import MAX_PREDICTIONS, confusion_counts, evaluate, evenly_taken
from penstock.evaluate.familiarity import Familiarity
from penstock.recipes.eeg.models import build_model
from penstock.recipes.objectives import Classification, Regression, objective_from_state
from penstock.records import Evaluation, decode_record, encode_record
from penstock.train.checkpoint import load_weights
from unit.recipes.test_objectives import manifest
from unit.train import runs
from unit.train.arrays import ArrayLoader, ClassificationTask, RegressionTask, evoked_data


def test_a_runs_best_weights_score_as_they_did_in_its_validation(tmp_path: Path) -> None:
    result = runs.run(tmp_path)
    weights = load_weights(str(tmp_path))
    model = build_model(weights.identity.model, shape=weights.identity.shape, num_outputs=weights.identity.num_outputs)
    model.load_state_dict(weights.model)
    inputs, targets, groups = evoked_data(40, shape=runs.SHAPE, first_subject=50)
    found = evaluate(
        model,
        objective=objective_from_state(weights.objective),
        task=RegressionTask(),
        loader=ArrayLoader(inputs, targets, batch_size=16, groups=groups),
        info=manifest(),
        split="valid",
        model_name="small",
        checkpoint_sha256=weights.file_sha256,
        familiarity=SAME,
    )
    assert found.metrics == result.journal.epochs[weights.epoch].valid
    assert (found.num_samples, found.num_groups) == (40, len(set(groups)))
    assert [p.truth for p in found.predictions] == list(targets)
    assert [p.group for p in found.predictions] == groups
    assert found.confusion == ()
    assert found.meters.sample_bytes == inputs.nbytes
    assert decode_record(encode_record(found), Evaluation) == found


SAME = Familiarity(trained_fingerprint="f", seen_groups=0)


class _Logits(torch.nn.Module):
    """Takes the first times of the first channel as logits."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, 0, :3] * self.gain


def test_classes_are_counted_over_all_samples_and_shown_for_some() -> None:
    chance = np.random.default_rng(0)
    truth = chance.integers(3, size=5000)
    answers = np.where(chance.random(5000) < 0.8, truth, (truth + 1) % 3)
    inputs = np.zeros((5000, 1, 4), np.float32)
    inputs[np.arange(5000), 0, answers] = 1
    found = evaluate(
        _Logits(),
        objective=Classification(num_classes=3),
        task=ClassificationTask(),
        loader=ArrayLoader(inputs, truth.astype(np.float64), batch_size=512),
        info=manifest(classes=("a", "b", "c")),
        split="test",
        model_name="logits",
        checkpoint_sha256="c",
        familiarity=SAME,
    )
    assert found.classes == ("a", "b", "c")
    assert sum(map(sum, found.confusion)) == found.num_samples == 5000
    for row, column in np.ndindex(3, 3):
        assert found.confusion[row][column] == np.sum((truth == row) & (answers == column))
    assert len(found.predictions) == MAX_PREDICTIONS
    assert found.predictions[-1].key == "sample-4999"
    assert all(p.predicted == answers[int(p.key.removeprefix("sample-"))] for p in found.predictions)


def test_failing_data_is_the_evaluations_failure() -> None:
    def fail(epoch: int, position: int) -> None:
        if position == 4:
            raise SourceChanged("an object changed", fix="list again")

    with pytest.raises(SourceChanged):
        evaluate(
            build_model("small", shape=(2, 40), num_outputs=1),
            objective=Regression(target_mean=0.0, target_std=1.0),
            task=RegressionTask(),
            loader=ArrayLoader(np.zeros((8, 2, 40), np.float32), np.zeros(8), batch_size=4, before_batch=fail),
            info=manifest(),
            split="test",
            model_name="small",
            checkpoint_sha256="c",
            familiarity=SAME,
        )


@given(num_items=st.integers(0, 10_000), at_most=st.integers(2, 3000))
def test_items_are_taken_evenly(num_items: int, at_most: int) -> None:
    taken = list(evenly_taken(num_items, at_most))
    assert len(taken) == min(num_items, at_most)
    assert taken == sorted(set(taken))
    if taken:
        assert (taken[0], taken[-1]) == (0, num_items - 1)
        gaps = np.diff(taken)
        assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=50))
def test_confusion_counts_each_pair(pairs: list[tuple[int, int]]) -> None:
    truth, answers = np.array(pairs).T
    counts = confusion_counts(truth.astype(np.float64), np.eye(4)[answers])
    for row, column in np.ndindex(4, 4):
        assert counts[row][column] == pairs.count((row, column))
