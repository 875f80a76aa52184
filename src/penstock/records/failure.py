"""Failure records: why a step ended, for its next attempt and for the report of the run."""

from __future__ import annotations

from typing import ClassVar

from penstock.records.codec import Record

__all__ = ["FailureRecord"]


class FailureRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an attempt of a step failed.

    Attributes:
        error: class of the error.
        retryable: whether another attempt may succeed with nothing changed.
        what: what was wrong, without secrets.
        fix: what to do about it.
        failed_at: UTC, like ``2026-11-21T14:00:00Z``.
    """

    kind: ClassVar[str] = "failure"
    version: ClassVar[int] = 1

    step: str
    error: str
    exit_code: int
    retryable: bool
    what: str
    fix: str
    failed_at: str
