"""The options of `penstock compare`."""

from __future__ import annotations

from pathlib import Path

from penstock.options import Options, option, repeated
from penstock.options.readers import any_path, optional_path
from penstock.steps.options.common import CommonOptions

__all__ = ["CompareOptions"]


class _Runs(Options, group="runs"):
    runs: tuple[Path, ...] = repeated(
        read=any_path,
        default=(),
        metavar="RUN",
        told="folder of a `penstock run` (or of one of its stages), or metrics of `penstock evaluate`; two or more",
        is_positional=True,
    )
    run: tuple[Path, ...] = repeated(
        read=any_path,
        default=(),
        metavar="DIR|FILE",
        told="the same by its flag; may be repeated",
    )


class _Output(Options, group="output"):
    html: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="write a page too, with curves over one another and pictures of each",
    )
    title: str = option(read=str, default="Runs compared", metavar="TITLE", told="heading of the page")


class CompareOptions(CommonOptions, _Runs, _Output):
    """The options of `penstock compare`."""
