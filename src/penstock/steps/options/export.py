"""The options of `penstock export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from penstock.options import Options, choice, option
from penstock.options.readers import any_path, location, optional_endpoint, optional_text
from penstock.steps.options.common import CommonOptions

__all__ = ["ExportOptions", "FormatName"]

FormatName = Literal["neurips2025"]


class _Networks(Options, group="networks"):
    challenge_1: str = option(
        read=location,
        metavar="FILE|URI",
        told="checkpoint of `penstock train --task eeg-c1`, or the folder of them, for that of its best epoch",
    )
    challenge_2: str = option(read=location, metavar="FILE|URI", told="the same of --task eeg-c2")
    model_1: str | None = option(
        read=optional_text,
        default=None,
        metavar="NAME",
        told="network of the first checkpoint; to be given where it is your own (package.module:factory), whose code "
        "is run, and whose module's file goes into the submission (default: the checkpoint's)",
    )
    model_2: str | None = option(
        read=optional_text, default=None, metavar="NAME", told="the same of the second checkpoint"
    )
    run_endpoint_url: str | None = option(
        read=optional_endpoint,
        default=None,
        metavar="URL",
        told="server of the checkpoints, where that is not the store's own (default)",
    )


class _Output(Options, group="output"):
    format: FormatName = choice(
        choices=get_args(FormatName),
        default="neurips2025",
        told="what to write: neurips2025, a ZIP for the scorer of the NeurIPS 2025 EEG challenge, with submission.py "
        "and both networks' weights (default)",
    )
    out: Path = option(read=any_path, metavar="FILE", told="where to write it, like submission.zip")


class ExportOptions(CommonOptions, _Networks, _Output):
    """The options of `penstock export`."""
