"""The options of `penstock demo`."""

from __future__ import annotations

import argparse
from pathlib import Path

from penstock.recipes.eeg.model_names import MODEL_NAMES
from penstock.steps.options.values import any_path, bytes_option, positive_int, rate_option, seed_number

__all__ = ["add_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    parser.add_argument(
        "--out", type=any_path, default=Path("penstock-demo"), metavar="DIR", help="folder of the results"
    )
    parser.add_argument(
        "--effect",
        type=_effect,
        default=0.9,
        metavar="X",
        help="size of the planted effect, 0 (nothing to learn) to 1 (default: 0.9)",
    )
    parser.add_argument("--task", choices=("eeg-c1", "eeg-c2"), default="eeg-c1", help="challenge (default: eeg-c1)")
    parser.add_argument(
        "--model",
        choices=MODEL_NAMES,
        default="eegnex",
        help="network (default: eegnex); small takes so little time that two cores cannot feed it without a stall",
    )
    parser.add_argument(
        "--size",
        type=bytes_option,
        default=300_000_000,
        metavar="SIZE",
        help="size of the dataset (default: 300M)",
    )
    parser.add_argument(
        "--window-size",
        type=bytes_option,
        default=32 << 20,
        metavar="SIZE",
        help="bound of the window (default: 32Mi)",
    )
    parser.add_argument(
        "--link",
        type=rate_option,
        metavar="RATE",
        help="serve the dataset no faster than this, like 20MB/s, to see what a slow link does (default: full speed)",
    )
    parser.add_argument("--epochs", type=positive_int, default=5, metavar="N", help="passes over the data")
    parser.add_argument(
        "--seed", type=seed_number, default=0, metavar="N", help="of dataset, order and weights (default: 0)"
    )


def _effect(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value
