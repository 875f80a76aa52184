"""The options that say which samples there are, and how they are fed."""

from __future__ import annotations

import argparse

from penstock.steps.options.values import (
    add_switch,
    any_path,
    location,
    optional_count,
    optional_endpoint,
    optional_location,
    optional_text,
    worker_number,
)
from penstock.steps.options.window import add_window_options

__all__ = [
    "add_bad_sample_option",
    "add_feed_options",
    "add_shuffle_options",
    "add_source_options",
]


def add_source_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that say where the dataset lies."""
    group = parser.add_argument_group("source")
    group.add_argument(
        "--source",
        required=required,
        type=location if required else optional_location,
        metavar="URI",
        help="s3://bucket/prefix, hf://datasets/org/name, https://host/folder/ or a local folder",
    )
    group.add_argument(
        "--endpoint-url",
        type=optional_endpoint,
        metavar="URL",
        help="S3-compatible server of the source (default: AWS's own)",
    )
    group.add_argument("--region", type=optional_text, metavar="REGION", help="region of the bucket")
    add_switch(group, "--anonymous", "do not sign requests: for public buckets")
    add_switch(group, "--requester-pays", "agree to pay for requests and transfer of a requester-pays bucket")


def add_shuffle_options(group: argparse._ActionsContainer) -> None:
    """Add the options."""
    group.add_argument(
        "--shuffle",
        choices=("full", "block", "none"),
        default="full",
        help="how the training split is shuffled anew each epoch: every sample anywhere (full, default), by blocks of "
        "neighbours that are fetched in fewer requests (block), or not at all (none)",
    )
    group.add_argument(
        "--shuffle-block",
        type=optional_count,
        metavar="N",
        help="consecutive samples of a block, with --shuffle block; empty or 0: chosen by their size "
        "(default: 16, within 64 to 256 KiB)",
    )
    group.add_argument(
        "--shuffle-mix",
        type=optional_count,
        metavar="N",
        help="blocks whose samples are mixed, with --shuffle block; empty or 0: chosen by their size "
        "(default: of together 2 MiB)",
    )


def add_feed_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a step that feeds a network."""
    group = parser.add_argument_group("data")
    group.add_argument("--manifest", type=any_path, required=True, metavar="FILE", help="manifest of `penstock list`")
    group.add_argument("--plan", type=any_path, required=True, metavar="FILE", help="plan of `penstock list`")
    group.add_argument(
        "--workers",
        type=worker_number,
        default=0,
        metavar="N",
        help="processes that decode; 0 decodes in a thread of the trainer (default)",
    )
    add_bad_sample_option(group)
    add_window_options(parser)


def add_bad_sample_option(parser: argparse._ActionsContainer) -> None:
    """Add the option that says what becomes of a sample that cannot be used."""
    parser.add_argument(
        "--on-bad-sample",
        choices=("fail", "skip"),
        default="fail",
        help="what to do with a sample that is gone or cannot be decoded: fail, or skip it, count it and name it "
        "(default: fail)",
    )
