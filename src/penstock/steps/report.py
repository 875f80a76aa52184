"""``penstock report``: the report page and the bill of a run, from its records alone."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.beginning import take_beginning
from penstock.cost.focus import FocusRun
from penstock.cost.hindsight import in_hindsight
from penstock.cost.model import bill
from penstock.cost.prices import load_prices
from penstock.errors import ConfigError, RecordError
from penstock.files import atomic_write
from penstock.observe.attempts import AttemptLog
from penstock.records import (
    AttemptRecord,
    CostReport,
    Evaluation,
    Meters,
    RunRecord,
    StepRecord,
    read_record,
    write_record,
)
from penstock.report.bill_figures import bill_figures, told_total
from penstock.report.forecast_beside import forecast_table
from penstock.report.tables import Table
from penstock.sources import RequestMeter
from penstock.steps._shared import common
from penstock.steps._shared.focus_file import write_focus
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.pipeline_output import write_bill_metrics
from penstock.steps._shared.pricing import check_region, cost_setting, warn_of_node, warn_of_region
from penstock.steps._shared.run_figures import TOO_LARGE, untrue
from penstock.steps._shared.run_left import Left, read_left
from penstock.steps._shared.run_root import RunRoot, open_run_root
from penstock.steps.options.report import ReportOptions
from penstock.tasks.protocols import PartOfOverall
from penstock.tasks.registry import get_task
from penstock.units import format_grams

if TYPE_CHECKING:
    from penstock.report.page import Drawn

NAME = "report"

__all__ = ["NAME", "run"]


def run(args: ReportOptions) -> int:
    """Make the report."""
    inputs = (
        args.run_record,
        args.evaluation,
        args.other_evaluation,
        args.forecast_record,
        args.prices,
        *args.step_record,
    )
    check_outputs(args.html, args.markdown, args.cost, args.focus, inputs=inputs)
    meter = RequestMeter()
    run_root = open_run_root(args, meter)
    left = read_left(args, run_root)
    record, evaluation = left.run, left.evaluation
    if evaluation is not None and args.other_evaluation is not None:
        evaluation = with_overall(evaluation, read_record(args.other_evaluation, Evaluation))
    steps = [*left.steps, *_itself(args, run_root, meter)]
    drawn, cost = _drawn_and_billed(args, replace(left, evaluation=evaluation, steps=tuple(steps)))
    if args.cost is not None:
        write_record(args.cost, cost)
    _write_focus(args, FocusRun(run=record, cost=cost))
    beside = None
    if left.forecast is not None:
        beside = forecast_table(left.forecast, record, evaluation=evaluation, cost=cost, steps=steps)
    _write_pages(args, record, steps, evaluation, cost, beside, drawn)
    _publish(args, run_root)
    write_bill_metrics(args.executor_input, record, cost)
    without = f"; not in it, for want of a price: {'; '.join(cost.unpriced)}" if cost.unpriced else ""
    total = told_total(cost) if cost.lines else "nothing that could be billed"
    co2 = f", {format_grams(cost.co2.gco2)} of CO2e" if cost.co2 and cost.co2.gco2 is not None else ""
    figures = "".join(f"  {name[:1].lower()}{name[1:]}: {value}\n" for name, value in bill_figures(cost))
    sys.stdout.write(f"report {args.html}: {total}{co2}{without}\n{figures}")
    return 0


def _write_focus(args: ReportOptions, made: FocusRun) -> None:
    """Write the bill as FOCUS, where it was asked for; a pipeline's last task goes on without it."""
    if args.focus is None:
        return
    try:
        write_focus(args.focus, [made])
    except RecordError as error:
        if not args.final_status:
            raise
        sys.stderr.write(f"penstock {NAME}: warning: {error.what}; {args.focus} is not written\n")


def with_overall(one: Evaluation, other: Evaluation) -> Evaluation:
    """Add the score that an evaluation has together with another task's.

    Raises:
        ConfigError: their tasks have none together.
    """
    task = get_task(one.task)
    if not isinstance(task, PartOfOverall):
        raise ConfigError(f"{one.task} has no score together with other tasks", fix="leave --other-evaluation out")
    return msgspec.structs.replace(one, metrics={**one.metrics, "overall": task.overall((one, other))})


def _itself(args: ReportOptions, run_root: RunRoot | None, meter: RequestMeter) -> list[StepRecord]:
    """Return what this step requested of the run root, and what it will to put its results there; not how long it took.

    What it read there is left out: it is no transfer from the dataset's source.
    """
    if run_root is None or run_root.is_local:
        return []
    asked = Meters(requests=meter.read().requests)
    return [
        StepRecord(
            step=NAME,
            started_at=common.now(),
            wall_seconds=0.0,
            host=common.host_without_device(),
            meters=run_root.with_writes(asked, len(_results(args))),
            details={},
        )
    ]


def _drawn_and_billed(args: ReportOptions, left: Left) -> tuple[Drawn, CostReport]:
    """Draw what needs no bill, and make the bill, which is of all that was done by then.

    Raises:
        RecordError: what is recorded cannot be true.
    """
    prices, setting = load_prices(args.prices), cost_setting(args, args.instance_type)
    setting = replace(setting, co2=args.co2, grid_gco2_per_kwh=args.grid_gco2_per_kwh)
    if not args.final_status:  # a pipeline's last task tells what there is, whatever it was asked for
        check_region(setting.region, prices)
        if not args.in_job:
            warn_of_region(setting.region, prices, step=NAME)
    if setting.node_usd_per_hour is None and not args.in_job:
        warn_of_node(setting.instance_type, prices, step=NAME)
    if wrong := untrue(left.run):
        raise _refused(left.run, wrong)
    from penstock.report.page import draw  # here: matplotlib takes a second to import, which the bill has too

    run, steps = left.run, left.steps
    try:
        drawn = draw(run, left.evaluation)
        attempts = (*left.attempts, *_own_attempts(args))
        made = bill(run, steps=steps, evaluation=left.evaluation, prices=prices, setting=setting, attempts=attempts)
        return drawn, in_hindsight(made, run=run, steps=steps, prices=prices, setting=setting)
    except ArithmeticError as error:
        raise _refused(left.run, TOO_LARGE) from error


def _refused(run: RunRecord, why: str) -> RecordError:
    told = f"what is recorded of the run {run.run_id} cannot be true: {why}"
    return RecordError(told, fix="name its record as it was written")


def _own_attempts(args: ReportOptions) -> tuple[AttemptRecord, ...]:
    """Return the attempts of the job, or this one at the report where it is a pod's."""
    if args.attempts is not None:
        return args.attempts.read(args.ended)
    if not args.run_root or not os.environ.get("KUBERNETES_SERVICE_HOST"):
        return ()
    host = common.with_node(common.host_without_device(), None)
    return AttemptLog(NAME, host=host, began=take_beginning()).read("succeeded")


def _write_pages(
    args: ReportOptions,
    record: RunRecord,
    steps: list[StepRecord],
    evaluation: Evaluation | None,
    cost: CostReport,
    beside: Table | None,
    drawn: Drawn,
) -> None:
    from penstock.report.page import render_markdown, render_report  # here: matplotlib takes a second to import

    asked: dict[str, Any] = {
        "evaluation": evaluation,
        "cost": cost,
        "steps": steps,
        "title": args.title,
        "forecast": beside,
    }
    atomic_write(args.html, render_report(record, drawn=drawn, **asked).encode())
    if args.markdown is not None:
        atomic_write(args.markdown, render_markdown(record, **asked).encode())


def _results(args: ReportOptions) -> dict[str, Path]:
    """Return what is written, by its name in the run root."""
    paths = {"report.html": args.html, "report.md": args.markdown, "cost.json": args.cost, "focus.csv": args.focus}
    return {name: path for name, path in paths.items() if path is not None}


def _publish(args: ReportOptions, run_root: RunRoot | None) -> None:
    """Put what was written into the run root too, where a volume of the run would go with it."""
    for name, path in _results(args).items():
        if run_root is not None and path.exists():
            run_root.publish(name, path.read_bytes())
