"""The options of `penstock demo`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal, get_args

from penstock.options import choice, option
from penstock.options.readers import any_path, bytes_option, optional_text, positive_int, rate_option, seed_number
from penstock.steps.options.common import CommonOptions

__all__ = ["DemoOptions"]

DemoTask = Literal["eeg-c1", "eeg-c2", "xray", "clips", "video-text", "text"]


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
    task: DemoTask = choice(
        choices=get_args(DemoTask), default="eeg-c1", told="whose dataset is generated, and learnt (default: eeg-c1)"
    )
    model: str | None = option(
        read=optional_text,
        default=None,
        metavar="NAME",
        told="network of the task (default: eegnex, unet-small, fusion, frozen or tiny); of the EEG tasks, small takes "
        "so little time that two cores cannot feed it without a stall",
    )
    size: int | None = option(
        read=bytes_option,
        default=None,
        metavar="SIZE",
        told="size of the dataset (default: 300M of EEG, 1600k of X-rays, 2400k of clips, 1440k of videos, "
        "200k of text)",
    )
    window_size: int | None = option(
        read=bytes_option,
        default=None,
        metavar="SIZE",
        told="bound of the window (default: 32Mi of EEG, 512Ki of X-rays, 1Mi of clips, 2Mi of videos, 256Ki of text)",
    )
    link: int | None = option(
        read=rate_option,
        default=None,
        metavar="RATE",
        told="serve the dataset no faster than this, like 20MB/s, to see what a slow link does (default: full speed)",
    )
    epochs: int | None = option(
        read=positive_int,
        default=None,
        metavar="N",
        told="passes over the data (default: 5 of EEG, 6 of X-rays, 8 of clips and videos, 2 of text)",
    )
    instance_type: str | None = option(
        read=optional_text,
        default=None,
        metavar="NAME",
        told="node whose price the bill takes, like g4dn.xlarge, though this machine runs it (default: this machine's, "
        "where it is a cloud's)",
    )
    seed: int = option(read=seed_number, default=0, metavar="N", told="of dataset, order and weights (default: 0)")
