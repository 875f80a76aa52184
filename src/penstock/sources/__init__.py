"""Where bytes are: one-verb protocols and the stores that keep them."""

from __future__ import annotations

from penstock.sources.blobs import Blobs, open_blobs
from penstock.sources.objects import ObjectSource, open_source
from penstock.sources.protocols import GetRange, ListObjects, ObjectInfo, ReadInto, RequestMeter
from penstock.sources.s3 import ClientLimits
from penstock.sources.sorting import SortedListing

__all__ = [
    "Blobs",
    "ClientLimits",
    "GetRange",
    "ListObjects",
    "ObjectInfo",
    "ObjectSource",
    "ReadInto",
    "RequestMeter",
    "SortedListing",
    "open_blobs",
    "open_source",
]
