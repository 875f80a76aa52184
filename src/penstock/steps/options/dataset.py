"""The options that say which samples to make, of which task."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from penstock.steps._shared.task_options import options_help
from penstock.steps.options.data import add_shuffle_options, add_source_options
from penstock.steps.options.values import add_switch, optional_count, positive_int, seed_number

__all__ = ["add_dataset_options"]


def add_dataset_options(parser: argparse.ArgumentParser, tasks: Sequence[str]) -> None:
    """Add the options that say which samples to make."""
    add_source_options(parser)
    group = parser.add_argument_group("samples")
    group.add_argument("--task", required=True, choices=tasks, help="what is learnt")
    group.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"option of the task, may be repeated ({options_help(tasks)})",
    )
    group.add_argument(
        "--task-options",
        default="{}",
        metavar="JSON",
        help='options of the task as one JSON object, like {"epoch-seconds": 2}',
    )
    group.add_argument(
        "--max-files",
        type=optional_count,
        metavar="N",
        help="take at most N recordings; empty or 0: all (default: all)",
    )
    group.add_argument(
        "--release", default="", metavar="NAMES", help="take these releases only, like R1,R2 (default: all there are)"
    )
    add_switch(group, "--mini", "take the small version of each release")
    group.add_argument(
        "--on-bad-object",
        choices=("fail", "skip"),
        default="fail",
        help="what to do with a recording that cannot be used: fail, or skip it and name it (default: fail)",
    )
    group = parser.add_argument_group("plan")
    group.add_argument(
        "--split",
        type=_fractions,
        default=(0.7, 0.15, 0.15),
        metavar="T,V,E",
        help="fractions of train, valid and test (default: 0.7,0.15,0.15)",
    )
    group.add_argument(
        "--split-by",
        choices=("group", "sample"),
        default="group",
        help="whether a group (subject) stays whole, or samples are split one by one (default: group)",
    )
    group.add_argument(
        "--seed", type=seed_number, default=0, metavar="N", help="seed of splits, order and weights (default: 0)"
    )
    group.add_argument(
        "--lanes", type=positive_int, default=64, metavar="N", help="lanes that ranks share out (default: 64)"
    )
    group.add_argument(
        "--first-part",
        type=positive_int,
        default=8192,
        metavar="N",
        help="samples of the first part with --stream-listing; each further one has twice as many (default: 8192)",
    )
    add_shuffle_options(group)


def _fractions(text: str) -> tuple[float, ...]:
    try:
        parts = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are not three fractions like 0.8,0.1,0.1") from error
    if sum(parts) == 100 and min(parts) >= 0:
        meant = ",".join(f"{part / 100:g}" for part in parts)
        raise argparse.ArgumentTypeError(f"{text!r} is in percent: write it as {meant}")
    return parts
