"""The options of `penstock report`."""

from __future__ import annotations

import argparse

from penstock.steps.options.cost import add_cost_options
from penstock.steps.options.run_root import add_run_options
from penstock.steps.options.values import any_path, optional_path, optional_text

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    group = parser.add_argument_group("input")
    group.add_argument(
        "--run-record",
        type=optional_path,
        metavar="FILE",
        help="run record of `penstock train` (default: that of the run root)",
    )
    group.add_argument(
        "--evaluation",
        type=optional_path,
        metavar="FILE",
        help="metrics of `penstock evaluate`",
    )
    group.add_argument(
        "--other-evaluation",
        type=optional_path,
        metavar="FILE",
        help="metrics of the other EEG challenge: the overall score, 0.3 c1 + 0.7 c2, is told too",
    )
    group.add_argument(
        "--step-record",
        type=optional_path,
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
        "--instance-type", type=optional_text, metavar="NAME", help="node of the training (default: as recorded)"
    )
    add_cost_options(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--html", type=any_path, required=True, metavar="FILE", help="where to write the report page")
    group.add_argument("--markdown", type=optional_path, metavar="FILE", help="where to write a short summary")
    group.add_argument("--cost", type=optional_path, metavar="FILE", help="where to write the bill (JSON)")
    group.add_argument("--title", default="Penstock run", help="heading of the page")
