"""Job records: which options a folder of `penstock run` was begun with."""

from __future__ import annotations

from typing import ClassVar

from penstock.records.codec import Record

__all__ = ["JobRecord"]


class JobRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job's identity: what is done depends on these options; going on with others is refused.

    Attributes:
        options: value by the option's name with underscores, as text; without those that were not given.
    """

    kind: ClassVar[str] = "job"
    version: ClassVar[int] = 2

    run_id: str
    options: dict[str, str]
