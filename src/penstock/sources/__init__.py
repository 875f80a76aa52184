"""Where bytes are: one-verb protocols and the stores that keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.sources.base import ObjectSource
    from penstock.sources.blobs import Blobs
    from penstock.sources.classes import archived_told, held_told, sizes_by_class
    from penstock.sources.meter import REFUSED, RequestMeter
    from penstock.sources.meter_file import (
        MeterFile,
        read_meter_files,
        read_spent,
        sum_meters,
        sweep_meter_files,
        take_later,
    )
    from penstock.sources.opening import find_object, is_local, locate, open_blobs, open_source
    from penstock.sources.patience import ClientLimits
    from penstock.sources.protocols import (
        FindObject,
        GetRange,
        ListObjects,
        ObjectInfo,
        ReadBeside,
        ReadInto,
        object_of,
    )
    from penstock.sources.registry import find_scheme, scheme_names
    from penstock.sources.scheme import Payee, Scheme, Tariff
    from penstock.sources.sorting import SortedListing
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "base": "ObjectSource",
            "blobs": "Blobs",
            "classes": "archived_told held_told sizes_by_class",
            "meter": "REFUSED RequestMeter",
            "meter_file": "MeterFile read_meter_files read_spent sum_meters sweep_meter_files take_later",
            "opening": "find_object is_local locate open_blobs open_source",
            "patience": "ClientLimits",
            "protocols": "FindObject GetRange ListObjects ObjectInfo ReadBeside ReadInto object_of",
            "registry": "find_scheme scheme_names",
            "scheme": "Payee Scheme Tariff",
            "sorting": "SortedListing",
        },
    )

__all__ = [
    "REFUSED",
    "Blobs",
    "ClientLimits",
    "FindObject",
    "GetRange",
    "ListObjects",
    "MeterFile",
    "ObjectInfo",
    "ObjectSource",
    "Payee",
    "ReadBeside",
    "ReadInto",
    "RequestMeter",
    "Scheme",
    "SortedListing",
    "Tariff",
    "archived_told",
    "find_object",
    "find_scheme",
    "held_told",
    "is_local",
    "locate",
    "object_of",
    "open_blobs",
    "open_source",
    "read_meter_files",
    "read_spent",
    "scheme_names",
    "sizes_by_class",
    "sum_meters",
    "sweep_meter_files",
    "take_later",
]
