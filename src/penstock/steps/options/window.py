"""The options of a step that reads through a window."""

from __future__ import annotations

import argparse

from penstock.steps.options.values import bytes_option, optional_path, positive_int, seconds_option
from penstock.units import parse_bytes

__all__ = ["add_window_options"]


DEFAULT_WINDOW = "256Mi"
METERS_HELP = (
    "folder of the files that requests are counted in, which outlive a kill (default: beside the records of a "
    "--run-root that is a folder, else the window's)"
)


def add_window_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a step that reads through a window."""
    group = parser.add_argument_group("window")
    group.add_argument(
        "--window", type=optional_path, metavar="DIR", help="folder of the window (default: a temporary one)"
    )
    group.add_argument(
        "--window-size",
        type=bytes_option,
        default=parse_bytes(DEFAULT_WINDOW),
        metavar="SIZE",
        help=f"bound on everything in the folder, like 32Mi or 1.5Gi (default: {DEFAULT_WINDOW})",
    )
    group.add_argument(
        "--prefetch",
        choices=("auto", "sidecar", "process"),
        default="auto",
        help="who fills the window: a sidecar that serves it, a child process, or auto: the sidecar if there is one",
    )
    group.add_argument(
        "--prefetch-timeout",
        type=seconds_option,
        default=60.0,
        metavar="TIME",
        help="how long the prefetcher may show no sign of life (default: 60s)",
    )
    group.add_argument("--meters", type=optional_path, metavar="DIR", help=METERS_HELP)
    group.add_argument(
        "--in-flight",
        type=positive_int,
        default=512,
        metavar="N",
        help="most ranges requested at a time; how many pays is found out on the way (default: 512)",
    )
