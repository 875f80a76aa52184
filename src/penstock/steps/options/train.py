"""The options of `penstock train`."""

from __future__ import annotations

import argparse

from penstock.steps.options.data import add_feed_options
from penstock.steps.options.run_root import add_fail_fast
from penstock.steps.options.training import add_training_options
from penstock.steps.options.values import (
    add_switch,
    any_path,
    location,
    location_or_empty,
    optional_endpoint,
    optional_path,
    run_name,
)
from penstock.train.resuming import told_of

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    add_feed_options(parser)
    add_switch(
        parser,
        "--stream-listing",
        "begin before `penstock list --stream-listing`, which writes the manifest, has ended: the first epoch goes "
        "over its parts as they come; it waits for it to begin as long as --prefetch-timeout",
    )
    add_training_options(parser)
    group = parser.add_argument_group("output")
    place = group.add_mutually_exclusive_group(required=True)
    place.add_argument(
        "--checkpoints",
        type=location,
        metavar="DIR|s3://…",
        help="where checkpoints are kept; a run that was stopped goes on from the last one there",
    )
    place.add_argument(
        "--run-root",
        type=location_or_empty,
        metavar="DIR|s3://…",
        help="folder of many runs: checkpoints go to <run root>/<run id>/checkpoints, records beside them; empty: "
        "to a temporary folder",
    )
    group.add_argument(
        "--run-endpoint-url",
        type=optional_endpoint,
        metavar="URL",
        help="S3-compatible server of the checkpoints (default: AWS's own)",
    )
    group.add_argument(
        "--checkpoint-out",
        type=optional_path,
        metavar="FILE",
        help="also copy the best one to this file",
    )
    group.add_argument("--record", type=any_path, required=True, metavar="FILE", help="where to write the run record")
    group.add_argument("--run-id", type=run_name, metavar="NAME", help="name of the run")
    add_fail_fast(parser)
    parser.set_defaults(listing_has_begun=False)  # of what runs this step in its own process
    parser.epilog = told_of("train", [action.dest for action in parser._actions])
