"""The options of `penstock list`."""

from __future__ import annotations

from penstock.options.limits import RequestsOption
from penstock.options.source import DatasetOption
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.run_root import RecordedOptions
from penstock.tasks.listing_options import ListingOptions

__all__ = ["ListOptions"]


class ListOptions(CommonOptions, DatasetOption, ListingOptions, RequestsOption, RecordedOptions):
    """The options of `penstock list`."""
