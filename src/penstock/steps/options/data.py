"""The options that say which samples there are, and how they are fed."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from penstock.options import Change, Options, choice, option
from penstock.options.readers import any_path, worker_number
from penstock.options.window import BadMode, WindowOptions

__all__ = ["DecodingOptions", "FeedOptions", "ManifestOptions", "TransformOption"]


class ManifestOptions(Options, group="data", change=Change.FIXED, in_pipelines=False):
    """The options that name what `penstock list` made."""

    manifest: Path = option(read=any_path, metavar="FILE", told="manifest of `penstock list`")
    plan: Path = option(read=any_path, metavar="FILE", told="plan of `penstock list`")


class DecodingOptions(Options, group="data", change=Change.FREE):
    """The options that say how samples are decoded."""

    workers: int = option(
        read=worker_number,
        default=0,
        metavar="N",
        told="processes that decode; 0 decodes in a thread of the trainer (default)",
    )
    on_bad_sample: BadMode = choice(
        choices=get_args(BadMode),
        default="fail",
        told="what to do with a sample that is gone or cannot be decoded: fail, or skip it, count it and name it "
        "(default: fail)",
    )


class TransformOption(Options, group="data", change=Change.FREE):
    """The option by which a person agrees that the code of a dataset's transform is run."""

    transform: str = option(
        read=str,
        default="",
        metavar="PATH",
        told="transform that the dataset's file names, as package.module:function: given to agree that its code is run",
    )


class FeedOptions(ManifestOptions, DecodingOptions, TransformOption, WindowOptions):
    """The options of a step that feeds a network."""
