"""Attempts at a whole job, in its folder: one process does all steps, and tells how long it was at each."""

from __future__ import annotations

import logging

from penstock.beginning import take_beginning
from penstock.errors import RecordError
from penstock.observe.attempts import AttemptLog
from penstock.records import JOB, AttemptRecord, AttemptsRecord, read_record, write_record
from penstock.steps._shared import common
from penstock.steps._shared.job_files import JobFiles

__all__ = ["job_attempt"]

log = logging.getLogger(__name__)


def job_attempt(files: JobFiles, instance_type: str | None, *, is_done: bool) -> AttemptLog:
    """Return another attempt at a job, with those before it.

    Args:
        is_done: whether it finds nothing to do but the report, which is no attempt where the last one made it too.
    """
    earlier = _earlier(files)
    return AttemptLog(
        JOB,
        host=common.with_node(common.host_without_device(), instance_type),
        began=take_beginning(),
        earlier=earlier,
        keep=lambda record: write_record(files.attempts, record),
        beats=True,
        counts=not (is_done and earlier and earlier[-1].ended == "succeeded"),
    )


def _earlier(files: JobFiles) -> tuple[AttemptRecord, ...]:
    if not files.attempts.exists():
        return ()
    try:
        return read_record(files.attempts, AttemptsRecord).attempts
    except RecordError as error:
        log.warning("attempts.unread file=%s reason=%s", files.attempts, error.what)
        return ()
