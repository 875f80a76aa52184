"""The options of `penstock cost-report`."""

from __future__ import annotations

from pathlib import Path

from penstock.options import Options, option, repeated
from penstock.options.readers import any_path, location, optional_endpoint, optional_path
from penstock.steps.options.common import CommonOptions

__all__ = ["CostReportOptions"]


class _Runs(Options, group="runs"):
    runs: tuple[str, ...] = repeated(
        read=location,
        default=(),
        metavar="RUN",
        told="folder of a `penstock run`, or of a run in a run root (a path or a URI like s3://bucket/runs/ID)",
        is_positional=True,
    )
    run: tuple[str, ...] = repeated(
        read=location, default=(), metavar="RUN", told="the same by its flag; may be repeated"
    )
    runs_under: tuple[Path, ...] = repeated(
        read=any_path,
        default=(),
        metavar="DIR",
        told="all runs with a bill in this folder, however deep; may be repeated",
    )
    run_endpoint_url: str | None = option(
        read=optional_endpoint,
        default=None,
        metavar="URL",
        told="server of the runs that are given as URIs, where that is not the store's own (default)",
    )


class _Output(Options, group="output"):
    focus: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="write the bills as FOCUS 1.2 too (CSV)"
    )
    tag: tuple[str, ...] = repeated(
        read=str,
        default=(),
        metavar="NAME=VALUE",
        told="tag of all runs, in the rows of the FOCUS file and for --tag-key; may be repeated",
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


class _Reconciling(Options, group="reconcile"):
    reconcile: tuple[Path, ...] = repeated(
        read=any_path,
        default=(),
        metavar="FILE",
        told="export of a cloud's costs (FOCUS, or AWS Cost and Usage Report; .csv, .csv.gz or .parquet): what it has "
        "for the tag of each run, beside the run's bill; may be repeated",
    )
    tag_key: str = option(
        read=str,
        default="penstock_run_id",
        metavar="NAME",
        told="tag that rows of the export are found by, which FOCUS rows of the runs have too (default: %(default)s)",
    )


class CostReportOptions(CommonOptions, _Runs, _Output, _Reconciling):
    """The options of `penstock cost-report`."""
