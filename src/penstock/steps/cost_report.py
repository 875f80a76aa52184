"""``penstock cost-report``: the bills of several runs in one table, as FOCUS 1.2, and beside what a cloud billed."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.cost.focus import TAG_PREFIX, FocusRun
from penstock.cost.focus_rules import violations
from penstock.cost.reconciling import Theirs, read_export, together
from penstock.errors import ConfigError, PenstockError, RecordError
from penstock.secrets import redact
from penstock.steps._shared.bill_tables import bills_by_tag, reconciled, summed_up
from penstock.steps._shared.focus_file import write_focus
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.problems import kept, raise_told
from penstock.steps._shared.run_bills import files_of, places_of, read_bills
from penstock.steps.options.cost_report import CostReportOptions
from penstock.texts import counted, printable

NAME = "cost-report"

__all__ = ["NAME", "run"]

_SHOWN = 20


def run(args: CostReportOptions) -> int:
    """Sum up, or check; what cannot be read is left out, told, and the command's failure."""
    named = (*args.runs, *args.run)
    if not named and not args.runs_under and args.check is None:
        raise ConfigError("no run is named", fix="name one or more, or --runs-under a folder, or a file to --check")
    if not args.billing_account.strip():
        raise ConfigError("--billing-account is empty", fix="leave it out, or pass the account's id")
    tags = _tags(args.tag)
    if args.check is not None:
        check_outputs(args.focus, inputs=[args.check])
        _check(args.check)
    problems: list[PenstockError] = []
    places = places_of(named, args.runs_under, problems)
    read = [path for place in places for path in files_of(place)]
    check_outputs(args.focus, inputs=[*read, args.check, *args.reconcile])
    found = _each_once(read_bills(places, endpoint_url=args.run_endpoint_url, problems=problems))
    runs, without = list(found.values()), _without(problems)
    if runs:
        sys.stdout.write(redact(summed_up(found, without=without)))
    if args.focus is not None and (runs or not problems):
        with kept(problems, RecordError):
            _write_focus(args, runs, tags, without=without)
    if args.reconcile and (runs or not problems):
        with kept(problems, ConfigError):
            _reconcile(args, runs, tags, problems)
    raise_told(problems, step=NAME)
    return 0


def _without(problems: Sequence[PenstockError]) -> str:
    return f", without what could not be read ({counted(len(problems), 'error')})" if problems else ""


def _each_once(bills: Mapping[str, FocusRun]) -> dict[str, FocusRun]:
    """Return the bills by their places, without copies; tell of these, and of runs of one id whose bills differ."""
    found: dict[str, list[tuple[str, FocusRun]]] = {}
    left: dict[str, FocusRun] = {}
    for place, each in bills.items():
        seen = found.setdefault(each.run.run_id, [])
        copied = next((other for other, same in seen if same.cost == each.cost), None)
        if seen:
            told = "with another bill: both count" if copied is None else "a copy, which counts once"
            first = copied or seen[0][0]
            told = f"the run {each.run.run_id} of {first} is in {place} too, {told}"
            sys.stderr.write(f"penstock {NAME}: warning: {printable(told)}\n")
        if copied is None:
            seen.append((place, each))
            left[place] = each
    return left


def _write_focus(args: CostReportOptions, runs: Sequence[FocusRun], tags: Mapping[str, str], *, without: str) -> None:
    assert args.focus is not None
    num_rows = write_focus(args.focus, runs, account=args.billing_account, tags=tags)
    left = Counter(line for each in runs for line in each.cost.unpriced)
    if left:
        lines = (f"{line} (of {counted(number, 'run')})" for line, number in left.items())
        told = printable(redact("; ".join(lines)))
        sys.stderr.write(f"penstock {NAME}: warning: not in the file, for want of a price: {told}\n")
    sys.stdout.write(f"FOCUS 1.2: {counted(num_rows, 'row')} in {args.focus}{without}\n")


def _reconcile(
    args: CostReportOptions, runs: Sequence[FocusRun], tags: Mapping[str, str], problems: list[PenstockError]
) -> None:
    """Set what can be read of the exports beside the bills; the problems of others are put beside those of runs."""
    ours = bills_by_tag(runs, tag_key=args.tag_key, tags=tags)
    if not ours:
        raise ConfigError(
            f"no run has the tag {args.tag_key!r}",
            fix=f"name runs, and a --tag-key of theirs: {TAG_PREFIX}run_id, {TAG_PREFIX}user, {TAG_PREFIX}task, "
            f"{TAG_PREFIX}model or one that --tag gives",
        )
    theirs: list[Theirs] = []
    for path in args.reconcile:
        with kept(problems, RecordError):
            theirs.append(read_export(path, tag_key=args.tag_key, values=list(ours)))
    if theirs:
        told = reconciled(ours, together(theirs), tag_key=args.tag_key, without=_without(problems))
        sys.stdout.write(redact(told))


def _check(path: Path) -> None:
    """Raise what a file breaks.

    Raises:
        RecordError: it is not as FOCUS 1.2 requires.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            found = [printable(each) for each in violations(lines)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path} cannot be read ({error})", fix="name a CSV file", about=str(path)) from error
    if found:
        sys.stderr.write("".join(f"  {each}\n" for each in found[:_SHOWN]))
        raise RecordError(
            f"{path} breaks {counted(len(found), 'rule')} of FOCUS 1.2, first: {found[0]}",
            fix="correct what wrote it",
            about=str(path),
        )
    sys.stdout.write(f"{path} keeps the rules of FOCUS 1.2\n")


def _tags(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, is_there, value = text.partition("=")
        if not is_there or not name:
            raise ConfigError(f"--tag {text!r} cannot be used", fix="write NAME=VALUE, like team=vision")
        if name.startswith(TAG_PREFIX):
            raise ConfigError(
                f"--tag {text!r} cannot be used: {TAG_PREFIX}... are what a run says of itself",
                fix="choose another name",
            )
        if found.setdefault(name, value) != value:
            raise ConfigError(f"--tag gives {name!r} two values", fix="keep the right one")
    return found
