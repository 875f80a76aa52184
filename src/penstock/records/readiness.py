"""What a place has and lacks for training there: what `penstock doctor` found."""

from __future__ import annotations

from typing import ClassVar, Literal

from penstock.records.codec import Part, Record

__all__ = ["Finding", "Readiness", "State"]

State = Literal["ok", "note", "missing", "unknown"]


class Finding(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that was looked at.

    Attributes:
        place: where: ``machine``, ``cluster``, ``namespace``, ``nodes`` or ``bucket``.
        check: what, in a few words, the same each time.
        state: ``ok``; ``note``: something that one can do without is not there; ``missing``: something essential
            is not there; ``unknown``: it could not be looked at.
        found: what was found.
        fix: what to do, empty where nothing is to be done.
    """

    place: str
    check: str
    state: State
    found: str
    fix: str = ""


class Readiness(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that was looked at, in the order of a table."""

    kind: ClassVar[str] = "readiness"
    version: ClassVar[int] = 1

    findings: tuple[Finding, ...]

    @property
    def missing(self) -> tuple[Finding, ...]:
        """What essential things are not there."""
        return tuple(finding for finding in self.findings if finding.state == "missing")
