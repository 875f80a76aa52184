"""Where bytes are: one-verb protocols and the stores that keep them."""

from __future__ import annotations

from penstock.sources.blobs import Blobs, open_blobs
from penstock.sources.meter import RequestMeter
from penstock.sources.meter_file import MeterFile, read_meter_files, sum_meters, sweep_meter_files, take_later
from penstock.sources.objects import ObjectSource, open_source
from penstock.sources.patience import ClientLimits
from penstock.sources.protocols import GetRange, ListObjects, ObjectInfo, ReadInto
from penstock.sources.sorting import SortedListing

__all__ = [
    "Blobs",
    "ClientLimits",
    "GetRange",
    "ListObjects",
    "MeterFile",
    "ObjectInfo",
    "ObjectSource",
    "ReadInto",
    "RequestMeter",
    "SortedListing",
    "open_blobs",
    "open_source",
    "read_meter_files",
    "sum_meters",
    "sweep_meter_files",
    "take_later",
]
