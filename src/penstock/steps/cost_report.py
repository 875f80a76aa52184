"""``penstock cost-report``: the bills of several runs in one table, and as FOCUS 1.2."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from penstock.cost.focus import FocusRun, as_focus
from penstock.cost.focus_rules import violations
from penstock.errors import ConfigError, RecordError
from penstock.files import atomic_write
from penstock.records import CostReport, RunRecord, read_record
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.outputs import check_outputs
from penstock.steps.options.cost_report import CostReportOptions
from penstock.texts import counted
from penstock.units import GIB, format_usd

NAME = "cost-report"

__all__ = ["NAME", "run"]

_HEADS = ("run", "task", "month", "hours", "USD", "an epoch", "1,000 samples", "a GiB")
_SHOWN = 20
_ROUNDED = Decimal("0.000001")
"""USD that a bill of an earlier version may be off by, whose sums were rounded."""


def run(args: CostReportOptions) -> int:
    """Sum up, or check."""
    if not args.run and args.check is None:
        raise ConfigError("no run is named", fix="give --run once or more, or a file to --check")
    read = [path for run in args.run for path in (run, *JobFiles(run).records)]
    check_outputs(args.focus, inputs=[*read, args.check])
    tags = _tags(args.tag)
    if args.check is not None:
        _check(args.check)
    runs = [_read(path) for path in dict.fromkeys(path.absolute() for path in args.run)]
    if runs:
        sys.stdout.write(_table(runs))
    if args.focus is not None:
        _write_focus(args, runs, tags)
    return 0


def _write_focus(args: CostReportOptions, runs: Sequence[FocusRun], tags: Mapping[str, str]) -> None:
    assert args.focus is not None
    text = as_focus(runs, account=args.billing_account, tags=tags)
    if broken := violations(text):
        raise RecordError(
            f"what is recorded of {counted(len(runs), 'run')} makes no FOCUS file: {broken[0]}",
            fix="make their reports again; a record that was changed by hand cannot be used",
        )
    atomic_write(args.focus, text.encode())
    left = [f"{each.run.run_id}: {', '.join(each.cost.unpriced)}" for each in runs if each.cost.unpriced]
    if left:
        sys.stderr.write(f"penstock {NAME}: warning: not in the file, for want of a price: {'; '.join(left)}\n")
    sys.stdout.write(f"FOCUS 1.2: {counted(text.count(chr(10)) - 1, 'row')} in {args.focus}\n")


def _check(path: Path) -> None:
    """Raise what a file breaks.

    Raises:
        RecordError: it is not as FOCUS 1.2 requires.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} cannot be read ({error})", fix="name a CSV file", about=str(path)) from error
    found = violations(text)
    if found:
        sys.stderr.write("".join(f"  {each}\n" for each in found[:_SHOWN]))
        raise RecordError(
            f"{path} breaks {counted(len(found), 'rule')} of FOCUS 1.2, first: {found[0]}",
            fix="correct what wrote it",
            about=str(path),
        )
    sys.stdout.write(f"{path} keeps the rules of FOCUS 1.2\n")


def _tags(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, is_there, value = text.partition("=")
        if not is_there or not name:
            raise ConfigError(f"--tag {text!r} cannot be used", fix="write NAME=VALUE, like team=vision")
        found[name] = value
    return found


def _read(folder: Path) -> FocusRun:
    """Read a run and its bill.

    Raises:
        RecordError: there is no such record, they are not of the same run, or their figures cannot be true.
    """
    files = JobFiles(folder)
    found = FocusRun(run=read_record(files.run_record, RunRecord), cost=read_record(files.cost, CostReport))
    if found.run.run_id != found.cost.run_id:
        raise RecordError(
            f"the bill in {folder} is of the run {found.cost.run_id}, its record of {found.run.run_id}",
            fix="make its report again",
            about=str(folder),
        )
    if wrong := _wrong(found):
        raise RecordError(
            f"what is recorded in {folder} cannot be true: {wrong}", fix="make its report again", about=str(folder)
        )
    return found


def _wrong(found: FocusRun) -> str:
    """Return what of a run's figures cannot be; empty where they can."""
    run, cost = found.run, found.cost
    usd = [line.usd for line in cost.lines if line.usd is not None]
    try:
        _cells(found)
        as_focus([found], account="", tags={})
        counts = run.wall_seconds, run.num_trained_samples, run.meters.sample_bytes
        if any(each < 0 for each in counts) or any(each < 0 for each in usd):
            return "it counts less than nothing"
        if abs(sum(usd, Decimal(0)) - cost.total_usd) > _ROUNDED:
            return f"its bill comes to {cost.total_usd} USD, and its lines to {sum(usd, Decimal(0))}"
    except (ValueError, ArithmeticError) as error:
        return str(error) if isinstance(error, ValueError) else "a figure of it is too large"
    return ""


def _table(runs: Sequence[FocusRun]) -> str:
    rows = [_HEADS, *map(_cells, runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines = ["  ".join(row).rstrip() for row in padded]
    for word, key in (("task", lambda each: each.run.task), ("month", _month)):
        groups: dict[str, list[FocusRun]] = defaultdict(list)
        for each in runs:
            groups[key(each)].append(each)
        lines += [f"{word} {name}: {_sum(group)}" for name, group in sorted(groups.items())]
    lines.append(f"total of {counted(len(runs), 'run')}: {_sum(runs)}")
    return "\n".join(lines) + "\n"


def _sum(runs: Sequence[FocusRun]) -> str:
    total = sum((each.cost.total_usd for each in runs), Decimal(0))
    return f"{format_usd(float(total))}{_left(runs)}"


def _left(runs: Sequence[FocusRun]) -> str:
    without = sum(bool(each.cost.unpriced) for each in runs)
    return f", without what has no price in {counted(without, 'run')}" if without else ""


def _month(each: FocusRun) -> str:
    return each.period[0].strftime("%Y-%m")


def _cells(each: FocusRun) -> tuple[str, ...]:
    run, usd = each.run, each.cost.total_usd
    parts = (len(run.epochs), run.num_trained_samples / 1000, run.meters.sample_bytes / GIB)
    sign = " + ?" if each.cost.unpriced else ""
    told = [f"{format_usd(float(usd) / part)}{sign}" if part else "–" for part in parts]
    hours = f"{run.wall_seconds / 3600:.2f}"
    return run.run_id, run.task, _month(each), hours, f"{format_usd(float(usd))}{sign}", *told
