"""Trackers: what each is told, in its own files, and that none of them ever ends a run or is waited for."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import ConfigError, Interrupted, PenstockError
from penstock.extras import is_there
from penstock.observe.trackers import Facts, Trackers, kinds, telling, tracker_list
from penstock.records import EpochRecord, StepEvaluation
from penstock.steps._shared.tracked_training import tracked
from penstock.tasks.metrics import metric_value
from penstock.train.limits import Spending
from penstock.train.progress import StepUpdate, Unwatched

FACTS = Facts(run_id="r1", config={"epochs": 3, "model": "small", "patience": None})


def update(step: int) -> StepUpdate:
    return StepUpdate(
        step=step,
        num_steps=9,
        epoch=0,
        num_epochs=1,
        epoch_samples=step,
        num_samples=9,
        loss=1.0 / step,
        learning_rate=0.5,
        stall_seconds=1.0,
        compute_seconds=3.0,
        spending=Spending(hours=step / 4, requests=10 * step, usd=0.5 * step),
    )


def follow(text: str, steps: range, *, error: BaseException | None = None) -> None:
    """Tell trackers of some steps, a validation and an epoch."""
    metrics = {"accuracy": metric_value("A", 0.75, higher_is_better=True)}
    with tracked(text, Unwatched(), run_id="r1", config=dict(FACTS.config)) as progress:
        progress.on_begin(step=0, epoch=0, epoch_samples=0, num_samples=9)
        for step in steps:
            progress.on_step(update(step))
        progress.on_evaluation(StepEvaluation(step=2, epoch=0.5, valid=metrics, valid_seconds=0.1), is_best=True)
        progress.on_epoch(
            EpochRecord(
                epoch=0,
                num_steps=4,
                num_samples=9,
                train_loss=0.5,
                valid=metrics,
                stall_seconds=1.0,
                compute_seconds=3.0,
                valid_seconds=0.1,
            ),
            is_best=True,
        )
        if error is not None:
            raise error


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = event_accumulator.EventAccumulator(str(folder))
    found.Reload()
    return {name: [(one.step, one.value) for one in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_tensorboard_has_the_curves_of_all_attempts(tmp_path: Path) -> None:
    """What a killed attempt did after its last save is done again, and is there once."""
    follow(f"tensorboard:{tmp_path}", range(1, 5))
    follow(f"tensorboard:{tmp_path}", range(3, 6))
    found = scalars(tmp_path / "r1")
    assert found["train/loss"] == [(step, pytest.approx(1 / step)) for step in range(1, 6)]
    assert found["train/stall_share"][0] == (1, 0.25)
    assert found["cost/usd"] == [(step, 0.5 * step) for step in range(1, 6)]
    assert {value for _, value in found["cost/usd_per_hour"]} == {2.0}
    assert found["valid/accuracy"][-1] == (5, 0.75)
    assert found["train/epoch_loss"][-1] == (5, 0.5)


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return module


def test_mlflow_has_one_run_of_all_attempts(mlflow: Any, tmp_path: Path) -> None:
    place = tmp_path.as_uri()
    with pytest.raises(Interrupted):
        follow(f"mlflow:{place}", range(1, 3), error=Interrupted("stopped", fix="go on"))
    client = mlflow.MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name("penstock").experiment_id
    assert client.search_runs([experiment])[0].info.status == "KILLED"
    follow(f"mlflow:{place}", range(3, 5))
    runs = client.search_runs([experiment])
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert runs[0].data.params == {"epochs": "3", "model": "small"}
    history = client.get_metric_history(runs[0].info.run_id, "train/loss")
    assert sorted(one.step for one in history) == [1, 2, 3, 4]
    metrics = runs[0].data.metrics
    assert metrics["valid/accuracy"] == 0.75
    assert (metrics["cost/usd"], metrics["cost/usd_per_hour"], metrics["cost/requests"]) == (2.0, 2.0, 40.0)


@pytest.mark.skipif(not is_there("wandb"), reason="wandb is not installed: pip install 'penstock[wandb]'")
def test_wandb_writes_beside_where_it_has_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    follow("wandb:team/project", range(1, 4))
    written = list((tmp_path / "wandb").glob("offline-run-*-r1/run-r1.wandb"))
    assert len(written) == 1
    told = written[0].read_bytes()
    assert [name for name in (b"train/loss", b"cost/usd", b"cost/usd_per_hour") if name not in told] == []


class Noted:
    """A tracker that keeps what it is told."""

    def __init__(self, place: str, facts: Facts) -> None:
        self.place, self.facts = place, facts
        MADE.append(self)
        self.steps: list[int] = []
        self.ending = ""

    def log(self, points: Any) -> None:
        self.steps += [point.step for point in points]

    def close(self, ending: str) -> None:
        self.ending = ending


MADE: list[Noted] = []


class Failing(Noted):
    def log(self, points: Any) -> None:
        raise RuntimeError("https://user:secret@host/api refused password=hunter22\nthe second line")


class Unopened(Noted):
    def __init__(self, place: str, facts: Facts) -> None:
        raise OSError("no route to host")


class Hanging(Noted):
    until = threading.Event()

    def log(self, points: Any) -> None:
        self.until.wait(60)


class Fatal(Noted):
    def close(self, ending: str) -> None:
        raise ValueError("cannot be closed")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    MADE.clear()
    Hanging.until.clear()

    def put(kind: type[Noted]) -> None:
        monkeypatch.setitem(kinds.KINDS, "tensorboard", (kind, lambda: None))  # type: ignore[arg-type]

    yield put
    Hanging.until.set()


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (None, "succeeded"),
        (Interrupted("a", fix="b"), "interrupted"),
        (KeyboardInterrupt(), "interrupted"),
        (PenstockError("a", fix="b"), "failed"),
    ],
)
def test_a_tracker_is_told_how_a_run_ended(use: Any, error: BaseException | None, ending: str) -> None:
    use(Noted)
    with contextlib.suppress(Interrupted, KeyboardInterrupt, PenstockError):
        follow("tensorboard:a, tensorboard:b", range(1, 4), error=error)
    assert sorted(each.place for each in MADE) == ["a", "b"]
    for each in MADE:
        assert (each.steps, each.ending) == ([1, 2, 3, 2, 3], ending)


@pytest.mark.parametrize("kind", [Failing, Unopened, Fatal])
def test_one_that_fails_ends_nothing_and_tells_no_secret(
    use: Any, kind: type[Noted], caplog: pytest.LogCaptureFixture
) -> None:
    use(kind)
    with caplog.at_level(logging.WARNING):
        follow("tensorboard:a", range(1, 1000))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith("tracker.failed tracker=tensorboard error=")
    assert "secret" not in told[0]
    assert "hunter22" not in told[0]
    assert "\n" not in told[0]


def test_one_that_hangs_is_left(use: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Hanging)
    monkeypatch.setattr(telling, "MOST_WAITING", 50)
    with caplog.at_level(logging.WARNING):
        trackers = Trackers("tensorboard:a", FACTS, close_seconds=0.1)
        for step in range(200):
            trackers.log(step, {"a": 1.0})  # never waits, though nothing is taken
        trackers.close("succeeded")
    assert "tracker.left tracker=tensorboard" in caplog.text
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("penstock-tracker"))


def test_what_does_not_fit_is_left_out_and_the_end_is_told(
    use: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Noted):
        def log(self, points: Any) -> None:
            begun.set()
            go_on.wait(60)
            super().log(points)

    use(Slow)
    monkeypatch.setattr(telling, "MOST_WAITING", 5)
    trackers = Trackers("tensorboard:a", FACTS)
    trackers.log(0, {"a": 1.0})
    assert begun.wait(60)
    for step in range(1, 20):
        trackers.log(step, {"a": 1.0})
    ended = threading.Thread(target=trackers.close, args=("failed",))
    ended.start()
    go_on.set()
    ended.join(60)
    assert (MADE[0].steps, MADE[0].ending) == ([0, 1, 2, 3, 4, 5], "failed")
    assert "tracker.left_out tracker=tensorboard points=" in caplog.text


def test_none_is_none() -> None:
    assert tracker_list(None) == tracker_list("") == ()
    shown = Unwatched()
    with tracked(None, shown, run_id="r", config={}) as progress:
        assert progress is shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tensorboard", "--track 'tensorboard' names no tracker"),
        ("tensorboard:", "--track 'tensorboard' names no tracker"),
        ("comet:a", "--track 'comet' names no tracker .*wandb:PROJECT"),
        ("tensorboard:s3://b/p", "no local folder"),
        ("wandb:a b", "is no project"),
        ("wandb:a/b/c", "is no project"),
        ("mlflow:https://user:secret@host", "^(?!.*secret).*$"),
    ],
)
def test_what_is_no_tracker_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        tracker_list(text)
