"""Checkpoints by time: what a kill without warning costs, and what saving costs."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock.records import UNSAID
from penstock.train import attempt
from penstock.train.config import TrainConfig
from penstock.train.result import TrainResult, make_run_record
from support.forked import run_forked
from support.jobs import saved_step
from unit.train import runs

NUM_STEPS = runs.CONFIG.num_epochs * runs.STEPS_PER_EPOCH


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    result = runs.run(tmp_path_factory.mktemp("undisturbed"), config=runs.by_time(None))
    return runs.without_times(make_run_record(result, run_id="r"))


def test_it_is_on_by_default() -> None:
    assert TrainConfig(task="t", model="m").checkpoint_minutes == 10


def test_a_kill_without_warning_loses_no_more_than_the_time(tmp_path: Path, undisturbed: dict[str, object]) -> None:
    """The step that was not saved yet is killed: twice, in the middle of two epochs."""
    words = (tmp_path, "--minutes", "0.000001")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    for step in (5, 12):
        killed = run_forked([*words, "--kill-at", step], script=Path(runs.__file__), environment=environment)
        assert killed.returncode == -signal.SIGKILL
        assert saved_step(tmp_path) == step - 1
    result = runs.run(tmp_path, config=runs.by_time(None))
    assert result.journal.num_resumes == 2
    assert runs.without_times(make_run_record(result, run_id="r")) == undisturbed


@pytest.mark.parametrize(
    ("minutes", "in_epochs"),
    [(None, []), (1000.0, []), (1.0, [2, 4, 6, 9, 11, 13, 16, 18, 20]), (3.0, [6, 13, 20])],
)
def test_a_save_is_due_so_long_after_the_last_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, object],
    minutes: float,
    in_epochs: list[int],
) -> None:
    """Each step takes half a minute, by a clock of the test's own; each epoch's end saves as well."""
    now = [0.0]
    monkeypatch.setattr(attempt, "time", SimpleNamespace(monotonic=lambda: now[0], perf_counter=lambda: now[0]))
    seen: list[int] = []

    def after_step(update: object) -> None:
        seen.append(saved_step(tmp_path))
        now[0] += 30

    result = runs.run(tmp_path, config=runs.by_time(minutes), heard=runs.Heard(on_each_step=after_step))
    ends = [epoch * runs.STEPS_PER_EPOCH for epoch in range(runs.CONFIG.num_epochs)]
    assert sorted(set(seen)) == sorted({*ends, *in_epochs})
    assert runs.without_times(make_run_record(result, run_id="r")) == undisturbed


def test_what_saving_took_is_recorded(tmp_path: Path) -> None:
    result = runs.run(tmp_path, config=runs.by_time(1e-9))
    saves = make_run_record(result, run_id="r").saves
    # The untrained state, each step, each epoch's end, and the weights of the best epochs.
    at_least = 1 + NUM_STEPS + runs.CONFIG.num_epochs
    assert at_least < saves.count <= at_least + runs.CONFIG.num_epochs
    assert saves.writes == 3 * at_least - 1 + 2 * (saves.count - at_least)
    assert saves.size_bytes > saves.count * 1000
    assert 0 < saves.seconds < result.journal.wall_seconds


def test_what_saving_took_is_added_up_over_attempts(tmp_path: Path) -> None:
    runs.run(tmp_path, config=runs.by_time(1e-9))
    again = runs.run(tmp_path, config=runs.by_time(1e-9))
    assert again.journal.saves.count >= NUM_STEPS


def test_only_as_many_as_asked_for_are_kept(tmp_path: Path) -> None:
    runs.run(tmp_path, config=runs.by_time(1e-9))
    assert len(list(tmp_path.glob("step-*.pt"))) == runs.CONFIG.keep_checkpoints


def test_each_save_tells_how_far_the_run_is(tmp_path: Path) -> None:
    """What is left for the report of a run that is killed right after."""
    told: list[TrainResult] = []
    runs.run(tmp_path, config=runs.by_time(1e-9), on_save=told.append)
    records = [make_run_record(result, run_id="r") for result in told]
    assert {(record.state, record.weights_sha256) for record in records} == {("interrupted", None)}
    assert all(UNSAID in (record.error or "") for record in records)
    assert [record.losses[-1].step for record in records if record.losses][-1] == NUM_STEPS
    assert len(records[-1].epochs) == runs.CONFIG.num_epochs
    assert records[-1].saves.count >= len(records)
