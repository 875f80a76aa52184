"""How a run ended, and its record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from penstock.errors import Interrupted
from penstock.observe.attempts import ending_of
from penstock.observe.user import this_user
from penstock.records import UNSAID, Ended, Host, RunRecord
from penstock.sources import sum_meters
from penstock.train.checkpoint_file import Identity
from penstock.train.config import ConfigValue, TrainConfig
from penstock.train.journal import Journal

__all__ = ["TrainResult", "begun_result", "ended_as_told", "ended_unsaid", "make_run_record"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """How a run ended, well or not.

    Attributes:
        score: name of the metric that runs are compared by.
        error: what ended it early, None where nothing did.
        journal: counters, curves and meters of all attempts.
        checkpoint: path or URI of the best epoch's weights, None before there are any.
        weights_sha256: of the network as it is now, None where the run did not succeed.
        num_parameters: that are learnt.
        started_at: of this attempt.
        seconds_to_first_batch: of this attempt, 0 where it needed none or got none.
    """

    config: TrainConfig
    score: str
    identity: Identity
    host: Host
    error: BaseException | None
    journal: Journal
    checkpoint: str | None
    weights_sha256: str | None
    num_parameters: int
    started_at: datetime
    ended_at: datetime
    seconds_to_first_batch: float

    @property
    def state(self) -> Literal["succeeded", "interrupted", "failed"]:
        """The state that the record gives."""
        if self.error is None:
            return "succeeded"
        return "interrupted" if isinstance(self.error, Interrupted | KeyboardInterrupt) else "failed"


def ended_unsaid() -> Interrupted:
    """Return what a record says of a run that may be killed any moment, and is if nothing else is written over it."""
    return Interrupted(UNSAID, fix="look at its pod: memory, time limit, node")


def ended_as_told(error: BaseException | None) -> Ended:
    """Return how an attempt ended by what its record says of it."""
    return "killed" if isinstance(error, Interrupted) and error.what == UNSAID else ending_of(error)


def begun_result(
    config: TrainConfig, identity: Identity, *, score: str, host: Host, num_parameters: int
) -> TrainResult:
    """Return the result of a run that has only begun, which is all there is where it is then killed."""
    now = datetime.now(UTC)
    return TrainResult(
        config=config,
        score=score,
        identity=identity,
        host=host,
        error=ended_unsaid(),
        journal=Journal(),
        checkpoint=None,
        weights_sha256=None,
        num_parameters=num_parameters,
        started_at=now,
        ended_at=now,
        seconds_to_first_batch=0.0,
    )


def make_run_record(result: TrainResult, *, run_id: str, options: dict[str, ConfigValue] | None = None) -> RunRecord:
    """Make the record of a run.

    Args:
        result: how it ended.
        run_id: unique name of the run.
        options: more options to name beside those of the training config; no secrets.
    """
    journal = result.journal
    return RunRecord(
        run_id=run_id,
        task=result.config.task,
        model=result.config.model,
        score=result.score,
        num_parameters=result.num_parameters,
        config={**(options or {}), **result.config.as_dict()},
        manifest_fingerprint=result.identity.manifest_fingerprint,
        plan_fingerprint=result.identity.plan_fingerprint,
        state=result.state,
        error=None if result.error is None else _one_line(result.error),
        started_at=result.started_at.isoformat(timespec="seconds"),
        ended_at=result.ended_at.isoformat(timespec="seconds"),
        wall_seconds=journal.wall_seconds,
        seconds_to_first_batch=result.seconds_to_first_batch,
        num_resumes=journal.num_resumes,
        best_epoch=journal.best_epoch,
        best_step=journal.best_step,
        evaluations=tuple(journal.evaluations),
        checkpoint=result.checkpoint,
        weights_sha256=result.weights_sha256,
        host=result.host,
        losses=tuple(journal.curve.points),
        epochs=tuple(journal.epochs),
        meters=journal.meters.plus(sum_meters(journal.traffic)),
        saves=journal.saves,
        unfinished_samples=journal.epoch_samples,
        user=this_user(),
        timeline=journal.timeline,
        attempts=tuple(journal.attempts),
        unfinished_stall_seconds=journal.stall_seconds,
        unfinished_compute_seconds=journal.compute_seconds,
    )


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
