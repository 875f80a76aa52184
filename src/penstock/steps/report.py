"""``penstock report``: the report page and the bill of a run, from its records alone."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from penstock.cost.model import CostSetting, bill
from penstock.cost.prices import load_prices
from penstock.errors import ConfigError
from penstock.files import atomic_write
from penstock.records import CostReport, Evaluation, RunRecord, StepRecord, read_record, write_record
from penstock.steps import common
from penstock.steps.run_left import read_left
from penstock.steps.run_root import add_run_options, open_run_root
from penstock.tasks.eeg.metrics import overall_score
from penstock.units import format_usd

NAME = "report"
HELP = "make the report and the bill of a run"

__all__ = ["HELP", "NAME", "add_arguments", "add_cost_options", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    group = parser.add_argument_group("input")
    group.add_argument(
        "--run-record",
        type=common.optional_path,
        metavar="FILE",
        help="run record of `penstock train` (default: that of the run root)",
    )
    group.add_argument(
        "--evaluation",
        type=common.optional_path,
        metavar="FILE",
        help="metrics of `penstock evaluate`",
    )
    group.add_argument(
        "--other-evaluation",
        type=common.optional_path,
        metavar="FILE",
        help="metrics of the other EEG challenge: the overall score, 0.3 c1 + 0.7 c2, is told too",
    )
    group.add_argument(
        "--step-record",
        type=common.optional_path,
        action="append",
        default=[],
        metavar="FILE",
        help="record of another step (list, prefetch); may be repeated",
    )
    group.add_argument(
        "--final-status",
        default="",
        metavar="JSON",
        help="how the pipeline ended, as it tells its last task: an object with state and error",
    )
    add_run_options(parser)
    parser.add_argument(
        "--instance-type", type=common.optional_text, metavar="NAME", help="node of the training (default: as recorded)"
    )
    add_cost_options(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--html", type=Path, required=True, metavar="FILE", help="where to write the report page")
    group.add_argument("--markdown", type=common.optional_path, metavar="FILE", help="where to write a short summary")
    group.add_argument("--cost", type=common.optional_path, metavar="FILE", help="where to write the bill (JSON)")
    group.add_argument("--title", default="Penstock run", help="heading of the page")


def add_cost_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that the bill depends on."""
    group = parser.add_argument_group("prices")
    group.add_argument("--prices", type=common.optional_path, metavar="FILE", help="price file (default: one of 2026)")
    group.add_argument(
        "--node-usd-per-hour", type=_optional_float, metavar="USD", help="price of the node, instead of the file's"
    )
    group.add_argument("--price-region", type=common.optional_text, metavar="REGION", help="region of the prices")
    group.add_argument(
        "--transfer",
        choices=("same-region", "cross-region", "internet", "nat"),
        default="same-region",
        help="way from the source to the node (default: same-region, which is free)",
    )
    group.add_argument("--today", type=_date, metavar="YYYY-MM-DD", help="day of the bill (default: today)")


def run(args: argparse.Namespace) -> int:
    """Make the report."""
    left = read_left(args)
    record, evaluation = left.run, left.evaluation
    if evaluation is not None and args.other_evaluation is not None:
        evaluation = with_overall(evaluation, read_record(args.other_evaluation, Evaluation))
    steps = list(left.steps)
    cost = _bill(args, record, steps, evaluation)
    if args.cost is not None:
        write_record(args.cost, cost)
    _write_pages(args, record, steps, evaluation, cost)
    _publish(args)
    sys.stdout.write(f"report {args.html}: {format_usd(cost.total_usd)}\n")
    return 0


def with_overall(one: Evaluation, other: Evaluation) -> Evaluation:
    """Add the challenge's overall score to an evaluation.

    Raises:
        ConfigError: the two are not of c1 and c2.
    """
    scores = {found.task: found.metrics[found.score] for found in (one, other)}
    if set(scores) != {"eeg-c1", "eeg-c2"}:
        raise ConfigError(
            f"an overall score is of eeg-c1 and eeg-c2, these are of {one.task} and {other.task}",
            fix="pass the metrics of one of each",
        )
    overall = overall_score(scores["eeg-c1"], scores["eeg-c2"])
    return msgspec.structs.replace(one, metrics={**one.metrics, "overall": overall})


def _bill(
    args: argparse.Namespace, record: RunRecord, steps: list[StepRecord], evaluation: Evaluation | None
) -> CostReport:
    setting = CostSetting(
        instance_type=args.instance_type,
        today=args.today or datetime.now(UTC).date(),
        node_usd_per_hour=args.node_usd_per_hour,
        region=args.price_region,
        transfer=args.transfer,
    )
    return bill(record, steps=steps, evaluation=evaluation, prices=load_prices(args.prices), setting=setting)


def _write_pages(
    args: argparse.Namespace,
    record: RunRecord,
    steps: list[StepRecord],
    evaluation: Evaluation | None,
    cost: CostReport,
) -> None:
    from penstock.cost.report import render_markdown, render_report  # here: matplotlib takes a second to import

    page = render_report(record, evaluation=evaluation, cost=cost, steps=steps, title=args.title)
    atomic_write(args.html, page.encode())
    if args.markdown is not None:
        text = render_markdown(record, evaluation=evaluation, cost=cost, steps=steps, title=args.title)
        atomic_write(args.markdown, text.encode())


def _publish(args: argparse.Namespace) -> None:
    """Put what was written into the run root too, where a volume of the run would go with it."""
    run_root = open_run_root(args)
    for name, path in (("report.html", args.html), ("report.md", args.markdown), ("cost.json", args.cost)):
        if run_root is not None and path is not None:
            run_root.publish(name, path.read_bytes())


def _date(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2026-11-21") from error


def _optional_float(text: str) -> float | None:
    """Read a number; the empty text and 0, as pipelines pass an unset one, are None."""
    try:
        return float(text or 0) or None
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
