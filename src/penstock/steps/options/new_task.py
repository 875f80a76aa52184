"""The options of `penstock new-task`."""

from __future__ import annotations

import argparse

from penstock.steps.options.values import optional_path

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    parser.add_argument("name", metavar="NAME", help="of the task: small letters, digits and dashes, like lung-scans")
    parser.add_argument(
        "--folder", type=optional_path, metavar="DIR", help="where to write it, new or empty (default: ./NAME)"
    )
