"""The FOCUS file of some runs, held to the rules of the format before it is written."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from types import MappingProxyType

from penstock.cost.focus import FocusRun, as_focus
from penstock.cost.focus_rules import violations
from penstock.errors import RecordError
from penstock.files import atomic_write
from penstock.texts import counted

__all__ = ["ACCOUNT", "write_focus"]

ACCOUNT = "penstock"
"""Billing account that rows are told to be of, where nobody names another."""


def write_focus(
    path: Path, runs: Sequence[FocusRun], *, account: str = ACCOUNT, tags: Mapping[str, str] = MappingProxyType({})
) -> int:
    """Write the bills of runs; give the number of rows.

    Args:
        tags: of all rows, beside those of each run.

    Raises:
        RecordError: what is recorded breaks the rules of the format.
    """
    text = as_focus(runs, account=account, tags=tags)
    if broken := violations(StringIO(text, newline="")):
        raise RecordError(
            f"what is recorded of {counted(len(runs), 'run')} makes no FOCUS file: {broken[0]}",
            fix="make their reports again; a record that was changed by hand cannot be used",
        )
    atomic_write(path, text.encode())
    return sum(1 for _ in csv.DictReader(StringIO(text, newline="")))
