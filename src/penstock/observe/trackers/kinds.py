"""The trackers that there are. Each is opened, told of and closed in a thread of its own."""

from __future__ import annotations

import netrc
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from penstock.errors import ConfigError
from penstock.extras import import_extra
from penstock.urls import check_location

__all__ = ["KINDS", "Ending", "Facts", "Point", "Tracker", "check_libraries", "tracker_list"]

Ending = Literal["succeeded", "interrupted", "failed"]
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_LIKE: Final = "tensorboard:DIR, wandb:PROJECT or mlflow:URI, several with commas"
_RUN_TAG: Final = "penstock.run"
_EXPERIMENT: Final = "penstock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What a tracker is told of a run at its beginning.

    Attributes:
        run_id: the same for all attempts at the run.
        config: options; no secrets.
    """

    run_id: str
    config: Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """Some numbers after a step.

    Attributes:
        at: when, in seconds since 1970.
    """

    step: int
    values: Mapping[str, float]
    at: float


class Tracker(Protocol):
    """Is told of a run; whatever it raises, it is not told any more."""

    def log(self, points: Sequence[Point]) -> None:
        """Take in points, in order."""
        ...

    def close(self, ending: Ending) -> None:
        """Write what is left."""
        ...


class TensorBoard:
    """Event files in a folder of the run's id; what an attempt did that was lost is taken back by the next one."""

    def __init__(self, place: str, facts: Facts) -> None:
        module = _tensorboard()
        from tensorboard.compat.proto import event_pb2, summary_pb2  # here: an extra

        self._event, self._session = event_pb2.Event, event_pb2.SessionLog
        self._summary = summary_pb2.Summary
        self._writer = module.EventFileWriter(str(Path(place).expanduser() / facts.run_id))
        self._has_begun = False

    def log(self, points: Sequence[Point]) -> None:
        """Write a summary a point."""
        for point in points:
            if not self._has_begun:
                start = self._session(status=self._session.START)
                self._writer.add_event(self._event(wall_time=point.at, step=point.step, session_log=start))
                self._has_begun = True
            values = [self._summary.Value(tag=name, simple_value=value) for name, value in point.values.items()]
            self._writer.add_event(
                self._event(wall_time=point.at, step=point.step, summary=self._summary(value=values))
            )
        self._writer.flush()

    def close(self, ending: Ending) -> None:
        """Close the file."""
        self._writer.close()


class Wandb:
    """A run of W&B of the run's id; without a key of W&B it is written beside, for ``wandb sync``."""

    def __init__(self, place: str, facts: Facts) -> None:
        module = _wandb()
        entity, _, project = place.rpartition("/")
        mode = os.environ.get("WANDB_MODE") or ("online" if _has_wandb_key() else "offline")
        self._run = module.init(
            entity=entity or None,
            project=project,
            id=facts.run_id,
            name=facts.run_id,
            resume="allow",
            config=dict(facts.config),
            mode=mode,
            settings=module.Settings(console="off", silent=True),
        )

    def log(self, points: Sequence[Point]) -> None:
        """Log each point."""
        for point in points:
            self._run.log(dict(point.values), step=point.step)

    def close(self, ending: Ending) -> None:
        """Finish the run."""
        self._run.finish(exit_code=0 if ending == "succeeded" else 1)


class Mlflow:
    """A run of MLflow with a tag of the run's id, in the experiment ``penstock`` or of MLFLOW_EXPERIMENT_NAME."""

    _STATUS: Final[Mapping[Ending, str]] = {"succeeded": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}

    def __init__(self, place: str, facts: Facts) -> None:
        module = _mlflow()
        self._metric, self._client = module.entities.Metric, module.MlflowClient(tracking_uri=place)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found is not None else self._client.create_experiment(name)
        earlier = self._client.search_runs([experiment], f"tags.`{_RUN_TAG}` = '{facts.run_id}'", max_results=1)
        if earlier:
            self._run_id = earlier[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
            return
        made = self._client.create_run(experiment, tags={_RUN_TAG: facts.run_id}, run_name=facts.run_id)
        self._run_id = made.info.run_id
        params = [module.entities.Param(name, str(value)) for name, value in facts.config.items() if value is not None]
        self._client.log_batch(self._run_id, params=params[:100])

    def log(self, points: Sequence[Point]) -> None:
        """Log all points in one request."""
        metrics = [
            self._metric(name, value, int(1000 * point.at), point.step)
            for point in points
            for name, value in point.values.items()
        ]
        self._client.log_batch(self._run_id, metrics=metrics)

    def close(self, ending: Ending) -> None:
        """Say how the run ended."""
        self._client.set_terminated(self._run_id, status=self._STATUS[ending], end_time=int(1000 * time.time()))


def _tensorboard() -> Any:
    return import_extra(
        "tensorboard.summary.writer.event_file_writer", "tensorboard", what="TensorBoard's files are written by it"
    )


def _wandb() -> Any:
    return import_extra("wandb", "wandb", what="W&B is told of runs by its library")


def _mlflow() -> Any:
    return import_extra("mlflow", "mlflow", what="MLflow is told of runs by its library")


KINDS: Final[Mapping[str, tuple[Callable[[str, Facts], Tracker], Callable[[], Any]]]] = {
    "tensorboard": (TensorBoard, _tensorboard),
    "wandb": (Wandb, _wandb),
    "mlflow": (Mlflow, _mlflow),
}
"""What opens a tracker of a kind, and what imports its library."""


def tracker_list(text: str | None) -> tuple[tuple[str, str], ...]:
    """Read trackers: the kind of each, and its place.

    Raises:
        ConfigError: there is no such kind, or no such place of it.
    """
    return tuple(_tracker(part.strip()) for part in (text or "").split(",") if part.strip())


def check_libraries(text: str | None) -> None:
    """Import what trackers need.

    Raises:
        ConfigError: a library is not there.
    """
    for kind, _ in tracker_list(text):
        KINDS[kind][1]()


def _tracker(part: str) -> tuple[str, str]:
    kind, _, place = part.partition(":")
    if kind not in KINDS or not place:
        raise ConfigError(f"--track {kind[:40]!r} names no tracker and its place", fix=f"write {_LIKE}")
    check_location(place, "the place of a tracker")
    if kind == "tensorboard" and "://" in place:
        raise ConfigError(f"--track tensorboard:{place} is no local folder", fix="give one, which may be mounted")
    if kind == "wandb" and not _NAME.fullmatch(place):
        raise ConfigError(
            f"--track wandb:{place!r} is no project", fix="write it like wandb:project or wandb:team/project"
        )
    return kind, place


def _has_wandb_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").split("://")[-1].split("/")[0]
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
