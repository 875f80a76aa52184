"""The options of `penstock list`."""

from __future__ import annotations

import argparse

from penstock.steps.options.dataset import add_dataset_options
from penstock.steps.options.run_root import add_fail_fast, add_run_options
from penstock.steps.options.values import add_switch, any_path, optional_path
from penstock.steps.options.window import METERS_HELP
from penstock.tasks.registry import task_names

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    add_dataset_options(parser, task_names())
    group = parser.add_argument_group("output")
    group.add_argument("--manifest", type=any_path, required=True, metavar="FILE", help="where to write the manifest")
    group.add_argument("--plan", type=any_path, required=True, metavar="FILE", help="where to write the plan")
    group.add_argument("--record", type=optional_path, metavar="FILE", help="where to write the step's record")
    add_switch(group, "--stream-listing", "also write what was listed so far, part by part, to the folder FILE.parts")
    add_switch(group, "--until-stdin-closes", "end when standard input ends: for a parent process")
    group.add_argument("--meters", type=optional_path, metavar="DIR", help=METERS_HELP)
    add_run_options(parser)
    add_fail_fast(parser)
