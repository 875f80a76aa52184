"""The options of `penstock cost-report`."""

from __future__ import annotations

from pathlib import Path

from penstock.options import Options, option, repeated
from penstock.options.readers import any_path, optional_path
from penstock.steps.options.common import CommonOptions

__all__ = ["CostReportOptions"]


class _Runs(Options, group="runs"):
    run: tuple[Path, ...] = repeated(
        read=any_path, default=(), metavar="DIR", told="folder of a `penstock run`, with its bill; may be repeated"
    )


class _Output(Options, group="output"):
    focus: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="write the bills as FOCUS 1.2 too (CSV)"
    )
    tag: tuple[str, ...] = repeated(
        read=str, default=(), metavar="NAME=VALUE", told="tag of all rows of the FOCUS file; may be repeated"
    )
    billing_account: str = option(
        read=str,
        default="penstock",
        metavar="ID",
        told="billing account that the FOCUS rows are told to be of (default: penstock)",
    )
    check: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="check any FOCUS file by the rules of FOCUS 1.2"
    )


class CostReportOptions(CommonOptions, _Runs, _Output):
    """The options of `penstock cost-report`."""
