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


def job_attempt(files: JobFiles, instance_type: str | None) -> AttemptLog:
    """Return another attempt at a job, with those before it."""
    return AttemptLog(
        JOB,
        host=common.with_node(common.host_without_device(), instance_type),
        began=take_beginning(),
        earlier=_earlier(files),
        keep=lambda record: write_record(files.attempts, record),
        beats=True,
    )


def _earlier(files: JobFiles) -> tuple[AttemptRecord, ...]:
    if not files.attempts.exists():
        return ()
    try:
        return read_record(files.attempts, AttemptsRecord).attempts
    except RecordError as error:
        log.warning("attempts.unread file=%s reason=%s", files.attempts, error.what)
        return ()
