"""What a run left, however it ended: the records that a report is made from.

Files that were passed come first, then what lies in the run root, and for a run that never got to train a record
that says so. A run whose steps failed, or that its pipeline calls failed, is reported as failed with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from penstock.errors import ConfigError
from penstock.observe import redact
from penstock.records import (
    UNSAID,
    AttemptRecord,
    AttemptsRecord,
    Evaluation,
    FailureRecord,
    ForecastRecord,
    Host,
    Meters,
    RunRecord,
    Saves,
    StepRecord,
    read_record,
    time_text,
)
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.run_root import RunRoot, open_run_root
from penstock.steps.options.report import ReportOptions

__all__ = ["Left", "never_trained", "read_left"]

_STEPS = ("list", "prefetch", "forecast", "train", "evaluate")

_SHOWN = 200
"""Characters of what was given that an error shows."""
_ENDED_WELL = frozenset({"SUCCEEDED", "COMPLETE", "CACHED"})
_ENDED_ILL = frozenset({"FAILED", "ERROR", "CANCELED", "CANCELLED"})
"""Names that backends give the end of a pipeline, in capitals; of any other, the records tell how it went."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """Records of a run.

    Attributes:
        run: of its training; made up, with nothing measured, where there was none.
        evaluation: None where it got none.
        steps: of its other steps.
        forecast: that was made before; None where none was.
        attempts: at all steps, as the run root has them, or the folder of a job.
    """

    run: RunRecord
    evaluation: Evaluation | None
    steps: tuple[StepRecord, ...]
    forecast: ForecastRecord | None = None
    attempts: tuple[AttemptRecord, ...] = ()


def read_left(args: ReportOptions, run_root: RunRoot | None = None) -> Left:
    """Read what the options of `penstock report` name.

    Args:
        run_root: that they name; None opens it.

    Raises:
        ConfigError: they name no record, or a final status that is none.
        RecordError: a file that was passed is no such record.
        SourceError: the run root could not be read.
    """
    run_root = run_root or open_run_root(args)
    status = _read_status(args.final_status)
    if args.run_record is None and run_root is None and status is None:
        raise ConfigError("there is nothing to report on", fix="pass --run-record, or --run-root and --run-id")
    failures = [found for step in _STEPS if run_root and (found := run_root.failure(step))]
    run = _run(args, run_root)
    run = run or never_trained(args.own_run or "unknown")
    evaluation = _evaluation(args, run_root)
    if evaluation is not None:
        _check_same_run(run, evaluation)
    known = tuple(each for step in _STEPS for each in run_root.attempts(step)) if run_root else _of_job(args, run)
    beats = run_root is not None and run_root.is_local and any(each.step == "train" for each in known)
    return Left(
        run=_as_it_ended(run, status, failures, beats=beats),
        evaluation=evaluation,
        steps=tuple(_other_steps(args, run_root)),
        forecast=_forecast(args, run_root),
        attempts=known,
    )


def _of_job(args: ReportOptions, run: RunRecord) -> tuple[AttemptRecord, ...]:
    """Return the attempts at the job that a record was made by, which lie beside it: they go on behind the training.

    Raises:
        RecordError: their record cannot be read.
    """
    if args.run_record is None or args.attempts is not None:
        return ()
    beside = JobFiles(args.run_record.parent).attempts
    found = read_record(beside, AttemptsRecord).attempts if beside.exists() else ()
    return found if {each.id for each in found} & {each.id for each in run.attempts} else ()


def _forecast(args: ReportOptions, run_root: RunRoot | None) -> ForecastRecord | None:
    if args.forecast_record is not None:
        return read_record(args.forecast_record, ForecastRecord)
    return run_root.read("forecast", ForecastRecord) if run_root else None


def _run(args: ReportOptions, run_root: RunRoot | None) -> RunRecord | None:
    if args.run_record is not None:
        return read_record(args.run_record, RunRecord)
    return run_root.read("train", RunRecord) if run_root else None


def _evaluation(args: ReportOptions, run_root: RunRoot | None) -> Evaluation | None:
    if args.evaluation is not None:
        return read_record(args.evaluation, Evaluation)
    return run_root.read("evaluate", Evaluation) if run_root else None


def _check_same_run(run: RunRecord, evaluation: Evaluation) -> None:
    """Refuse an evaluation of another run's checkpoint.

    Raises:
        ConfigError: it is of one.
    """
    if not run.epochs:
        return
    for what, ours, theirs in (
        ("task", run.task, evaluation.task),
        ("model", run.model, evaluation.model),
        ("manifest", run.manifest_fingerprint, evaluation.trained_fingerprint),
    ):
        if ours != theirs:
            raise ConfigError(
                f"the evaluation is not of the run {run.run_id}: its checkpoint was trained with the {what} {theirs}, "
                f"the run with {ours}",
                fix="pass the run record and the metrics of one run",
            )


def _other_steps(args: ReportOptions, run_root: RunRoot | None) -> Sequence[StepRecord]:
    paths = [path for path in args.step_record if path is not None]
    if paths or run_root is None:
        return [read_record(path, StepRecord) for path in paths]
    return run_root.steps()


def _read_status(text: str) -> dict[str, Any] | None:
    """Read what Kubeflow Pipelines tells an exit task: state, pipelineTaskName, error."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ConfigError(
            f"--final-status {text[:_SHOWN]!r} is not a JSON object ({error})", fix='write it like {"state": "FAILED"}'
        ) from error


def _as_it_ended(
    run: RunRecord, status: dict[str, Any] | None, failures: Sequence[FailureRecord], *, beats: bool
) -> RunRecord:
    """Return the run with the state that the pipeline ended in; a training that was killed has lasted until now.

    Args:
        beats: whether its attempts are known to their last sign of life.
    """
    state = str((status or {}).get("state", "")).upper()
    if state in _ENDED_WELL or (state not in _ENDED_ILL and run.state == "succeeded" and not failures):
        return run
    if status is None and not failures:
        return run
    if run.state == "interrupted" and UNSAID in (run.error or "") and not beats:
        run = _until_now(run)
    unknown = f"the pipeline ended as {state or 'failed'} and no step left a reason: look at the logs of its steps"
    reason = _reason(status, failures) or run.error or unknown
    return msgspec.structs.replace(run, state="failed", error=reason)


def _until_now(run: RunRecord) -> RunRecord:
    """Return a run that is as of its last save: from there on it went on until it was killed."""
    now = datetime.now(UTC)
    unsaid_seconds = max((now - datetime.fromisoformat(run.ended_at)).total_seconds(), 0.0)
    last = [msgspec.structs.replace(attempt, ended_at=time_text(now)) for attempt in run.attempts[-1:]]
    return msgspec.structs.replace(
        run,
        wall_seconds=run.wall_seconds + unsaid_seconds,
        ended_at=now.isoformat(timespec="seconds"),
        attempts=(*run.attempts[:-1], *last),
    )


def _reason(status: dict[str, Any] | None, failures: Sequence[FailureRecord]) -> str | None:
    if failures:
        last = max(failures, key=lambda found: found.failed_at)
        return f"{last.step}: {last.error}: {last.what}: {last.fix}"
    error = (status or {}).get("error")
    told = error.get("message") if isinstance(error, dict) else error
    return redact(str(told)) if told else None


def never_trained(run_id: str) -> RunRecord:
    """Return the record of a run whose training never began: what is not known is empty, or 0."""
    return RunRecord(
        run_id=run_id,
        task="",
        model="",
        score="",
        num_parameters=0,
        config={},
        manifest_fingerprint="",
        plan_fingerprint="",
        state="failed",
        error=None,
        started_at="",
        ended_at="",
        wall_seconds=0.0,
        seconds_to_first_batch=0.0,
        num_resumes=0,
        best_epoch=None,
        checkpoint=None,
        weights_sha256=None,
        host=Host(num_cpus=0, device="", num_devices=0),
        losses=(),
        epochs=(),
        meters=Meters(),
        saves=Saves(),
        unfinished_samples=0,
    )
