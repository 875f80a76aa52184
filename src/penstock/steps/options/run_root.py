"""The options that say which run of a pipeline a step is of."""

from __future__ import annotations

import argparse

from penstock.steps.options.values import add_switch, optional_endpoint, optional_location, run_name

__all__ = ["add_executor_option", "add_fail_fast", "add_run_options"]


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which run a step is of."""
    group = parser.add_argument_group("run")
    group.add_argument(
        "--run-root",
        type=optional_location,
        metavar="DIR|s3://…",
        help="folder of many runs: the step's record also goes to <run root>/<run id>/records",
    )
    group.add_argument("--run-id", type=run_name, metavar="NAME", help="name of the run")
    group.add_argument(
        "--run-endpoint-url",
        type=optional_endpoint,
        metavar="URL",
        help="S3-compatible server of the run root (default: AWS's own)",
    )


def add_fail_fast(parser: argparse.ArgumentParser) -> None:
    """Add the option of a step that is tried again."""
    add_switch(
        parser,
        "--fail-fast",
        "fail at once where an earlier attempt, as the run root has it, failed for good within the last hour",
    )


def add_executor_option(group: argparse._ActionsContainer) -> None:
    """Add the option that a pipeline passes the executor input with."""
    group.add_argument(
        "--executor-input", default="", metavar="JSON", help="executor input of Kubeflow Pipelines; pipelines pass it"
    )
