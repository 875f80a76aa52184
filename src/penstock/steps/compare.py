"""``penstock compare``: several runs side by side, what each scored, took and cost, from their records alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.errors import ConfigError, PenstockError, RecordError
from penstock.files import atomic_write
from penstock.records import CostReport, Evaluation, RunRecord, read_record
from penstock.report.comparing import Compared, compared_rows, named, scored, warnings_of
from penstock.report.comparing_costs import cost_rows, cost_table
from penstock.secrets import redact
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.problems import kept, raise_told
from penstock.steps._shared.run_bills import check_same_run
from penstock.steps.options.compare import CompareOptions
from penstock.texts import columns_of, printable

NAME = "compare"

__all__ = ["NAME", "run"]


def run(args: CompareOptions) -> int:
    """Compare; a run that cannot be read is left out, told, and the command's failure."""
    paths = (*args.runs, *args.run)
    if len(paths) < 2:
        raise ConfigError("fewer than two runs to compare", fix="name two or more")
    check_outputs(args.html, inputs=[path for run in paths for path in (run, *JobFiles(run).records)])
    problems: list[PenstockError] = []
    runs = named(_read_each(paths, problems))
    if len(runs) < 2:
        raise_told(problems, step=NAME)
    with_scores, costs = scored(runs), cost_table(runs)
    tasks = {each.scores.task for each in with_scores}
    if len(tasks) > 1:
        raise ConfigError(f"the runs are of other tasks: {', '.join(sorted(tasks))}", fix="compare runs of one task")
    if args.html is not None:
        from penstock.report.comparing_page import render_comparison  # here: matplotlib takes a second to import

        tables = [] if costs is None else [("Time and cost", costs)]
        atomic_write(args.html, render_comparison(runs, title=args.title, tables=tables).encode())
    for warning in warnings_of(runs):
        sys.stderr.write(f"penstock compare: {printable(warning)}\n")
    if with_scores:
        rows = [("", *(each.label for each in with_scores)), *compared_rows(with_scores)]
        sys.stdout.write(redact(columns_of(rows)))
    if costs is not None:
        sys.stdout.write(redact(columns_of([("", *(each.label for each in runs)), *cost_rows(runs)])))
    if args.html is not None:
        sys.stdout.write(f"page {args.html}\n")
    raise_told(problems, step=NAME)
    return 0


def _read_each(paths: Sequence[Path], problems: list[PenstockError]) -> list[Compared]:
    """Read runs; the problem of one that cannot be read is put beside those that there are."""
    found = []
    for path in paths:
        with kept(problems, RecordError, about=str(path)):
            found.append(_read(path))
    return found


def _read(path: Path) -> Compared:
    """Read what a folder of a job, or a file of metrics, tells.

    Raises:
        RecordError: there is no such record.
    """
    if path.is_file():
        return Compared(label="", place=str(path), evaluation=read_record(path, Evaluation), run=None)
    files = JobFiles(path)
    evaluation = read_record(files.metrics, Evaluation) if files.metrics.exists() else None
    record = read_record(files.run_record, RunRecord) if files.run_record.exists() else None
    if evaluation is None and record is None:
        why = "there is no such folder" if not path.exists() else f"there is neither it nor {files.metrics.name}"
        raise RecordError(
            f"cannot read {files.run_record} ({why})",
            fix="name the folder of a `penstock run`, or metrics of `penstock evaluate`",
            about=str(path),
        )
    cost = read_record(files.cost, CostReport) if files.cost.exists() else None
    if record is not None and cost is not None:
        check_same_run(record, cost, str(path))
    return Compared(label="", place=str(path), evaluation=evaluation, run=record, cost=cost)
