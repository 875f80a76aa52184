"""The options of `penstock run`."""

from __future__ import annotations

import argparse

from penstock.steps.options.cost import add_cost_options
from penstock.steps.options.data import add_bad_sample_option
from penstock.steps.options.dataset import add_dataset_options
from penstock.steps.options.training import add_training_options
from penstock.steps.options.values import add_switch, any_path, worker_number
from penstock.steps.options.window import add_window_options
from penstock.tasks.registry import learnt_task_names
from penstock.train.resuming import told_of

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    add_dataset_options(parser, learnt_task_names())
    add_switch(
        parser, "--stream-listing", "train while the listing goes on: the first epoch goes over its parts as they come"
    )
    add_job_options(parser)
    parser.epilog = told_of("run", [action.dest for action in parser._actions])


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of everything after the listing."""
    parser.add_argument("--out", type=any_path, required=True, metavar="DIR", help="folder of the job's results")
    parser.add_argument(
        "--workers", type=worker_number, default=0, metavar="N", help="processes that decode; 0 decodes in the trainer"
    )
    add_bad_sample_option(parser)
    parser.add_argument("--title", default="Penstock run", help="heading of the report")
    add_window_options(parser)
    add_training_options(parser)
    add_cost_options(parser)
