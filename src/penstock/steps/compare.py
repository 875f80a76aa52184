"""``penstock compare``: the evaluations of several runs side by side, from their records alone."""

from __future__ import annotations

import sys
from pathlib import Path

from penstock.errors import ConfigError
from penstock.files import atomic_write
from penstock.records import Evaluation, RunRecord, read_record
from penstock.report.comparing import Compared, compared_rows, named, warnings_of
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.outputs import check_outputs
from penstock.steps.options.compare import CompareOptions
from penstock.texts import columns_of

NAME = "compare"

__all__ = ["NAME", "run"]


def run(args: CompareOptions) -> int:
    """Compare."""
    if len(args.run) < 2:
        raise ConfigError("fewer than two runs to compare", fix="give --run twice or more")
    check_outputs(args.html, inputs=[path for run in args.run for path in (run, *JobFiles(run).records)])
    runs = named([_read(path) for path in args.run])
    tasks = {each.evaluation.task for each in runs}
    if len(tasks) > 1:
        raise ConfigError(f"the runs are of other tasks: {', '.join(sorted(tasks))}", fix="compare runs of one task")
    if args.html is not None:
        from penstock.report.comparing_page import render_comparison  # here: matplotlib takes a second to import

        atomic_write(args.html, render_comparison(runs, title=args.title).encode())
    for warning in warnings_of(runs):
        sys.stderr.write(f"penstock compare: {warning}\n")
    sys.stdout.write(columns_of([("", *(each.label for each in runs)), *compared_rows(runs)]))
    if args.html is not None:
        sys.stdout.write(f"page {args.html}\n")
    return 0


def _read(path: Path) -> Compared:
    """Read what a folder of a job, or a file of metrics, tells.

    Raises:
        RecordError: there is no such record.
    """
    if not path.is_dir():
        return Compared(label="", place=str(path), evaluation=read_record(path, Evaluation), run=None)
    files = JobFiles(path)
    record = read_record(files.run_record, RunRecord) if files.run_record.exists() else None
    return Compared(label="", place=str(path), evaluation=read_record(files.metrics, Evaluation), run=record)
