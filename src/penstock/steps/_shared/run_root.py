"""The run root: where the steps of a run leave their records for its retries and for the report at its end.

``<run root>/<run id>/records/<step>.json`` is what a step did, ``<step>-failure.json`` why its last attempt failed.
A pipeline that cannot tell exit codes apart tries a step again whatever they say: with ``--fail-fast`` an attempt
after one that failed for good ends at once, with the same error. Records that cannot be written there are warned
of; no step fails for them.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from penstock.beginning import take_beginning
from penstock.errors import (
    ConfigError,
    NotOurs,
    ObjectNotFound,
    OutputError,
    PenstockError,
    RecordError,
    SourceError,
    error_from_fields,
)
from penstock.observe import redact
from penstock.observe.attempts import AttemptLog
from penstock.records import (
    AttemptRecord,
    AttemptsRecord,
    Evaluation,
    FailureRecord,
    Meters,
    Record,
    RequestCount,
    RunRecord,
    StepRecord,
    decode_record,
    encode_record,
)
from penstock.sources import Blobs, RequestMeter, is_local, open_blobs
from penstock.steps._shared import common
from penstock.steps._shared.ranks import num_nodes
from penstock.steps.options.run_root import RecordedOptions, RunRootOptions

__all__ = [
    "FINAL_FAILURE_SECONDS",
    "FORECAST_REQUESTS",
    "RunRoot",
    "failure_record",
    "open_run_root",
    "recorded",
]

FINAL_FAILURE_SECONDS = 3600.0
"""For how long a failure is final: longer than any back-off between attempts, shorter than a repair by a person."""

FIRST_STEP = "list"
LATER_STEPS = ("prefetch", "forecast", "train", "evaluate")
FORECAST_REQUESTS = "forecast-requests"
"""Name of the record of what a forecast requested, beside that of what it found."""

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Record)
M = TypeVar("M", RunRecord, StepRecord, Evaluation)


def failure_record(step: str, error: BaseException) -> FailureRecord:
    """Say why a step failed, without secrets."""
    known = error if isinstance(error, PenstockError) else None
    return FailureRecord(
        step=step,
        error=type(error).__name__,
        exit_code=known.exit_code if known else 1,
        retryable=known.retryable if known else False,
        what=redact(" ".join((known.what if known else f"{type(error).__name__}: {error}").split())),
        fix=redact(known.fix) if known else "look at the step's log",
        failed_at=common.now(),
    )


class RunRoot:
    """The records of one run.

    Args:
        blobs: the folder they lie in.
        results: the folder of what people look at.
        continues: whether it is an earlier pipeline's, whose steps another one does again.
    """

    def __init__(self, blobs: Blobs, results: Blobs, *, continues: bool = False) -> None:
        self._blobs = blobs
        self._results = results
        self._continues = continues
        self.log: AttemptLog | None = None

    def attempt(self, step: str, *, instance_type: str | None = None) -> AttemptLog:
        """Return another attempt at a step, with those before it."""
        self.log = AttemptLog(
            step,
            host=common.with_node(common.host_without_device(), instance_type),
            began=take_beginning(),
            num_nodes=num_nodes(os.environ),
            earlier=self.attempts(step),
            keep=lambda record: self._put(self._blobs, f"{step}-attempts.json", encode_record(record)),
            beats=self.is_local,
        )
        return self.log

    def attempts(self, step: str) -> tuple[AttemptRecord, ...]:
        """Return the attempts that a step had, as far as they are known."""
        try:
            found = self._read(f"{step}-attempts.json", AttemptsRecord)
        except (SourceError, OutputError) as error:
            log.warning("run_root.unread step=%s reason=%s", step, error.what)
            return ()
        return () if found is None else found.attempts

    @property
    def is_local(self) -> bool:
        """Whether it is a folder, where signs of life cost nothing."""
        return is_local(self._blobs.locate(""))

    def keep(self, step: str, record: Record) -> None:
        """Write what a step did; what it had requested for a pipeline before stays counted."""
        if self._continues and isinstance(record, StepRecord):
            record = self._with_earlier(step, record)
        self._write(f"{step}.json", record)

    def _with_earlier(self, step: str, record: StepRecord) -> StepRecord:
        """Return a record that has what the step did for the pipeline before, too.

        In a folder its requests are counted already, as the files that they are counted in outlive a pipeline there;
        in a store the one that asks for its record here is not.
        """
        before = self._read(f"{step}.json", StepRecord)
        earlier = Meters() if before is None else before.meters
        if self.is_local:
            earlier = earlier.without_traffic()
        else:
            asked = RequestCount(
                kind="GET", purpose="records", sent=1, answers_2xx=int(before is not None), answers_4xx=int(not before)
            )
            earlier = earlier.plus(Meters(requests=(asked,)))
        return msgspec.structs.replace(record, meters=earlier.plus(record.meters))

    def publish(self, name: str, data: bytes) -> None:
        """Put a result for people beside the records' folder."""
        self._put(self._results, name, data)

    def begin(self, step: str, *, fail_fast: bool) -> None:
        """Begin another attempt at a step: why the last one failed is forgotten.

        Args:
            fail_fast: fail as the last one, if that was for good.

        Raises:
            PenstockError: of the class of that failure.
        """
        try:
            found = self.failure(step)
            if found is not None and fail_fast:
                self._check(step, found)
            if found is not None:
                self._blobs.delete(f"{step}-failure.json")
            if self._continues and step == FIRST_STEP:  # why the pipeline before ended ends this one's steps no more
                for other in LATER_STEPS:
                    self._blobs.delete(f"{other}-failure.json")
        except (SourceError, OutputError) as error:
            if fail_fast:
                raise
            log.warning("run_root.kept_failure step=%s reason=%s", step, error.what)

    def counting_itself(self, record: M) -> M:
        """Return a record that counts the request that ``keep`` writes it with, and that which ends the attempt."""
        return msgspec.structs.replace(record, meters=self.with_writes(record.meters, 1 if self.log is None else 2))

    def with_writes(self, meters: Meters, number: int) -> Meters:
        """Return counts with so many files that are still to be written here."""
        if self.is_local:
            return meters
        still = RequestCount(kind="PUT", purpose="records", sent=number, answers_2xx=number)
        return meters.plus(Meters(requests=(still,)))

    def keep_failure(self, step: str, error: BaseException) -> None:
        """Write why a step failed."""
        self._write(f"{step}-failure.json", failure_record(step, error))

    def read(self, step: str, kind: type[R]) -> R | None:
        """Return what a step did, None where it left nothing that can be read.

        Raises:
            SourceError: the run root could not be read.
        """
        return self._read(f"{step}.json", kind)

    def steps(self) -> list[StepRecord]:
        """Return what the steps before the training did, those that left a record.

        Raises:
            SourceError: the run root could not be read.
        """
        return [found for name in ("list", "prefetch", FORECAST_REQUESTS) if (found := self.read(name, StepRecord))]

    def failure(self, step: str) -> FailureRecord | None:
        """Return why the last attempt of a step failed, None where it did not.

        Raises:
            SourceError: the run root could not be read.
        """
        return self._read(f"{step}-failure.json", FailureRecord)

    def _check(self, step: str, found: FailureRecord) -> None:
        if found.retryable:
            return
        age_seconds = (datetime.now(UTC) - datetime.fromisoformat(found.failed_at)).total_seconds()
        if age_seconds > FINAL_FAILURE_SECONDS:
            return
        where = self._blobs.locate(f"{step}-failure.json")
        raise error_from_fields(
            found.error,
            f"an earlier attempt failed for good {age_seconds / 60:.0f} min ago ({found.what})",
            f"{found.fix}; then begin a new run, or delete {where} and retry this one",
            None,
        )

    def _write(self, name: str, record: Record) -> None:
        self._put(self._blobs, name, encode_record(record))

    def _put(self, blobs: Blobs, name: str, data: bytes) -> None:
        try:
            blobs.write(name, data)
        except PenstockError as error:
            log.warning("run_root.unwritten file=%s reason=%s", blobs.locate(name), error.what)

    def _read(self, name: str, kind: type[R]) -> R | None:
        try:
            return decode_record(self._blobs.read(name), kind, origin=self._blobs.locate(name))
        except ObjectNotFound:
            return None
        except RecordError as error:
            log.warning("run_root.unreadable file=%s reason=%s", self._blobs.locate(name), error.what)
            return None


def open_run_root(args: RunRootOptions, meter: RequestMeter | None = None) -> RunRoot | None:
    """Open the run root that the options name; None where they name none.

    Args:
        meter: counts the requests.

    Raises:
        ConfigError: a run root without the name of the run, which another attempt could not find again.
    """
    if not args.run_root:
        return None
    if args.own_run is None:
        raise ConfigError(f"--run-root {args.run_root!r} is given without --run-id", fix="pass the name of the run")
    records, results = (
        open_blobs(place, endpoint_url=args.run_endpoint_url, meter=meter)
        for place in (f"{args.run_folder}/records", f"{args.run_folder}")
    )
    return RunRoot(records, results, continues=args.continue_run is not None)


@contextlib.contextmanager
def recorded(args: RecordedOptions, step: str, meter: RequestMeter | None = None) -> Iterator[RunRoot | None]:
    """Return the run root to a step, and write there why the step fails if it does.

    Args:
        meter: counts the requests.

    Raises:
        PenstockError: with ``--fail-fast``, the error of an earlier attempt that failed for good.
    """
    run_root = open_run_root(args, meter)
    if run_root is None:
        yield None
        return
    run_root.begin(step, fail_fast=args.fail_fast)
    with run_root.attempt(step, instance_type=getattr(args, "instance_type", None)):
        try:
            yield run_root
        except NotOurs:
            raise  # the records there may be of the job that has what this one wanted
        except Exception as error:
            run_root.keep_failure(step, error)
            raise
