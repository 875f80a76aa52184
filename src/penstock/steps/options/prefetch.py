"""The options of `penstock prefetch`."""

from __future__ import annotations

import argparse

from penstock.steps.options.model import add_model_option
from penstock.steps.options.run_root import add_fail_fast, add_run_options
from penstock.steps.options.values import (
    add_switch,
    optional_path,
    optional_text,
    positive_int,
    worker_number,
)
from penstock.steps.options.window import add_window_options

__all__ = ["add_arguments"]

_HIGHEST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    add_window_options(parser)
    add_switch(parser, "--until-stdin-closes", "end when standard input ends: for a parent process")
    parser.add_argument(
        "--metrics-port",
        type=_port,
        default=0,
        metavar="PORT",
        help="serve metrics for Prometheus at /metrics while a window is served; 0: none (default). "
        "A port that is taken is logged, and does not keep the window from being served",
    )
    group = parser.add_argument_group("probe")
    group.add_argument("--manifest", type=optional_path, metavar="FILE", help="manifest to try out")
    group.add_argument("--plan", type=optional_path, metavar="FILE", help="its plan")
    group.add_argument(
        "--samples", type=positive_int, default=256, metavar="N", help="samples to stream (default: 256)"
    )
    group.add_argument("--record", type=optional_path, metavar="FILE", help="where to write the step's record")
    group = parser.add_argument_group("what follows the probe, to find out beforehand what does not fit")
    group.add_argument("--batch-size", type=positive_int, default=64, metavar="N", help="samples of a step of training")
    group.add_argument(
        "--workers",
        type=worker_number,
        default=0,
        metavar="N",
        help="processes that decode, in training and evaluation",
    )
    add_model_option(group)
    group.add_argument(
        "--evaluate-split",
        choices=("train", "valid", "test", "none"),
        default="test",
        help="split that is evaluated (default: test)",
    )
    group.add_argument(
        "--instance-type", type=optional_text, metavar="NAME", help="node of training: warned of where it has no price"
    )
    add_run_options(parser)
    add_fail_fast(parser)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: it is a number from 0 to {_HIGHEST_PORT}")
    return int(text)
