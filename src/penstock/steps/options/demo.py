"""The options of `penstock demo`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal, get_args

from penstock.options import choice, option
from penstock.options.readers import any_path, bytes_option, positive_int, rate_option, seed_number
from penstock.recipes.eeg.model_names import MODEL_NAMES
from penstock.steps.options.common import CommonOptions
from penstock.units import MIB

__all__ = ["DemoOptions"]

Challenge = Literal["eeg-c1", "eeg-c2"]


def _effect(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


class DemoOptions(CommonOptions):
    """The options of `penstock demo`."""

    out: Path = option(read=any_path, default=Path("penstock-demo"), metavar="DIR", told="folder of the results")
    effect: float = option(
        read=_effect,
        default=0.9,
        metavar="X",
        told="size of the planted effect, 0 (nothing to learn) to 1 (default: 0.9)",
    )
    task: Challenge = choice(choices=get_args(Challenge), default="eeg-c1", told="challenge (default: eeg-c1)")
    model: str = choice(
        choices=MODEL_NAMES,
        default="eegnex",
        told="network (default: eegnex); small takes so little time that two cores cannot feed it without a stall",
    )
    size: int = option(
        read=bytes_option, default=300_000_000, metavar="SIZE", told="size of the dataset (default: 300M)"
    )
    window_size: int = option(
        read=bytes_option, default=32 * MIB, metavar="SIZE", told="bound of the window (default: 32Mi)"
    )
    link: int | None = option(
        read=rate_option,
        default=None,
        metavar="RATE",
        told="serve the dataset no faster than this, like 20MB/s, to see what a slow link does (default: full speed)",
    )
    epochs: int = option(read=positive_int, default=5, metavar="N", told="passes over the data")
    seed: int = option(read=seed_number, default=0, metavar="N", told="of dataset, order and weights (default: 0)")
