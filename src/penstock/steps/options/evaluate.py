"""The options of `penstock evaluate`."""

from __future__ import annotations

import argparse

from penstock.steps.options.data import add_feed_options
from penstock.steps.options.run_root import add_executor_option, add_fail_fast, add_run_options
from penstock.steps.options.values import add_switch, any_path, location, optional_path, optional_text, positive_int

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    add_feed_options(parser)
    group = parser.add_argument_group("evaluation")
    group.add_argument(
        "--checkpoint", required=True, type=location, metavar="FILE|s3://…", help="checkpoint of `penstock train`"
    )
    group.add_argument(
        "--model",
        type=optional_text,
        metavar="NAME",
        help="network of the checkpoint; to be given where it is your own (package.module:factory), whose code is run",
    )
    group.add_argument("--split", choices=("train", "valid", "test"), default="test", help="split (default: test)")
    add_switch(group, "--other-data", "score another manifest than the one that was trained on")
    group.add_argument(
        "--batch-size",
        type=positive_int,
        default=128,
        metavar="N",
        help="samples at a time, at most: fewer where the window cannot hold them for its workers (default: 128)",
    )
    group.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    group = parser.add_argument_group("output")
    group.add_argument(
        "--metrics", type=any_path, required=True, metavar="FILE", help="where to write the metrics (JSON)"
    )
    group.add_argument("--plot", type=optional_path, metavar="FILE", help="where to draw truth against prediction")
    add_executor_option(group)
    add_run_options(parser)
    add_fail_fast(parser)
