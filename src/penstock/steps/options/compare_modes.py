"""The options of `penstock compare-modes`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from penstock.options import Change, Options, option
from penstock.options.readers import optional_path
from penstock.steps.options.run import JobOptions
from penstock.steps.options.train import Mode

__all__ = ["CompareModesOptions", "modes_option"]


def modes_option(text: str) -> str:
    """Read modes with commas between them, for argparse."""
    known, names = get_args(Mode), tuple(name.strip() for name in text.split(","))
    if wrong := next((name for name in names if name not in known), None):
        raise argparse.ArgumentTypeError(f"{wrong[:40]!r} is no mode; choose of: {', '.join(known)}")
    if len(names) < 2 or len(set(names)) < len(names) or not all(names):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} are not two or three different modes; write {','.join(known)}")
    return ",".join(names)


class _Compared(Options, group="comparison", change=Change.FREE, in_pipelines=False):
    modes: str = option(
        read=modes_option,
        default=",".join(get_args(Mode)),
        metavar="MODES",
        is_joined=True,
        told="modes to run the job in, in this order, each in a folder of its name in --out (default: "
        "stream,cache,preprocess)",
    )
    title: str = option(read=str, default="Modes compared", metavar="TITLE", told="heading of the page")
    html: Path | None = option(read=optional_path, default=None, metavar="FILE", told="write a page too")
    markdown: Path | None = option(read=optional_path, default=None, metavar="FILE", told="write Markdown too")
    json: Path | None = option(read=optional_path, default=None, metavar="FILE", told="write a record (JSON) too")


class CompareModesOptions(_Compared, JobOptions):
    """The options of `penstock compare-modes`: those of the job, and what is written of all its modes."""
