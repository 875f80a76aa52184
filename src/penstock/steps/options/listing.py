"""The options of `penstock list`."""

from __future__ import annotations

from penstock.options import Options, option
from penstock.options.limits import RequestsOption
from penstock.options.readers import optional_bytes
from penstock.options.source import DatasetOption
from penstock.options.window import USUAL_WINDOW
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.run_root import RecordedOptions
from penstock.tasks.listing_options import ListingOptions

__all__ = ["ListOptions"]


class _ReadThrough(Options, group="plan"):
    window_size: int | None = option(
        read=optional_bytes,
        default=None,
        metavar="SIZE",
        told=f"window that it will be read through, by which parts of --repeat are chosen (default: {USUAL_WINDOW})",
        by_pipeline=True,
    )


class ListOptions(CommonOptions, DatasetOption, ListingOptions, _ReadThrough, RequestsOption, RecordedOptions):
    """The options of `penstock list`."""
