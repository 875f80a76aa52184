"""The generated dataset: the challenge's layout, and an effect of the size that was asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstock.demo.generate import generate_dataset, planted_bound
from penstock.errors import ConfigError
from penstock.manifest import Extent, SourceSpec
from penstock.sources import open_source
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task
from support.samples import decoded_inputs


def generate(folder: Path, **options: float) -> object:
    def sink(key: str, data: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return generate_dataset(sink, **options)  # type: ignore[arg-type]


def make(folder: Path, task: str) -> list[Extent]:
    async def work() -> list[Extent]:
        made = await get_task(task).make_samples(open_source(SourceSpec(uri=str(folder))), limits=Limits(), options={})
        assert made.shape[1:] == (200,)
        return [sample async for sample in made.rows]

    return asyncio.run(work())


def held_out_nrmse(folder: Path, samples: list[Extent]) -> float:
    """Ridge regression on 100 ms means, scored on every fourth subject."""
    task, features = get_task("eeg-c1"), []
    for sample in samples:
        span = sample.spans[0]
        with (folder / span.object).open("rb") as file:
            file.seek(span.offset)
            data = memoryview(file.read(span.length_bytes))
        epoch = decoded_inputs(task, data, sample)
        features.append(epoch.reshape(len(epoch), 20, 10).mean(axis=2).ravel())
    inputs, targets = np.stack(features).astype(np.float64), np.array([sample.targets[0] for sample in samples], float)
    subjects = sorted({sample.group for sample in samples})
    test = np.isin([sample.group for sample in samples], subjects[::4])
    mean = targets[~test].mean()
    kernel = inputs @ inputs.T
    weights = np.linalg.solve(kernel[np.ix_(~test, ~test)] + 1000 * np.eye((~test).sum()), targets[~test] - mean)
    predicted = kernel[np.ix_(test, ~test)] @ weights + mean
    score = task.metrics(targets[test], predicted, [])["nrmse"].value
    assert score is not None
    return score


def test_the_planted_effect_can_be_learnt_and_no_more(tmp_path: Path) -> None:
    generate(tmp_path, seed=3, effect=0.9, size_bytes=40_000_000, num_channels=33)
    samples = make(tmp_path, "eeg-c1")
    assert planted_bound(0.9) - 0.06 < held_out_nrmse(tmp_path, samples) < 0.65


def test_without_an_effect_nothing_can_be_learnt(tmp_path: Path) -> None:
    generate(tmp_path, seed=3, effect=0.0, size_bytes=40_000_000, num_channels=33)
    samples = make(tmp_path, "eeg-c1")
    assert 0.95 < held_out_nrmse(tmp_path, samples) < 1.2
    assert planted_bound(0.0) == 1.0


def test_layout_is_the_challenges(tmp_path: Path) -> None:
    written: dict[str, bytes] = {}
    told = generate_dataset(written.__setitem__, seed=1, size_bytes=30_000_000)
    assert told.releases == ("R1", "R2", "R3")
    assert told.num_objects == len(written)
    assert told.size_bytes == sum(map(len, written.values()))
    assert abs(told.size_bytes - 30_000_000) < 6_000_000
    subject = "R1_L100_bdf/sub-NDARDEMO001"
    assert f"{subject}/eeg/sub-NDARDEMO001_task-contrastChangeDetection_run-1_eeg.bdf" in written
    for release in told.releases:
        assert b"externalizing" in written[f"{release}_L100_bdf/participants.tsv"]
    for key, data in written.items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    trials = make(tmp_path, "eeg-c1")
    assert len(trials) == told.num_trials
    assert 70 * told.num_subjects < len(trials) < 80 * told.num_subjects - told.num_subjects
    assert min(sample.targets[0] for sample in trials if sample.targets[0] is not None) > 0.25
    assert len({sample.targets[0] for sample in make(tmp_path, "eeg-c2")}) == told.num_subjects


def test_the_same_seed_gives_the_same_bytes() -> None:
    options = {"size_bytes": 1, "num_trials": 4, "num_channels": 5}
    first: dict[str, bytes] = {}
    second: dict[str, bytes] = {}
    other: dict[str, bytes] = {}
    generate_dataset(first.__setitem__, seed=7, **options)
    generate_dataset(second.__setitem__, seed=7, **options)
    told = generate_dataset(other.__setitem__, seed=8, **options)
    assert first == second
    assert first != other
    assert replace(told, size_bytes=0).num_subjects == 3


def test_an_effect_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"the effect is 1.5"):
        generate_dataset({}.__setitem__, effect=1.5)
