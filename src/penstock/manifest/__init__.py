"""The manifest: extents and their samples, what a listing leaves out, and a listing that goes on while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.manifest.classes import ObjectClasses
    from penstock.manifest.columns import ExtentRows
    from penstock.manifest.left_out import NOT_WANTED, LeftOutObjects, was_asked
    from penstock.manifest.listing import (
        ListingRecord,
        ListingWriter,
        is_listing,
        parts_folder,
        read_listing_record,
        wait_for_part,
    )
    from penstock.manifest.parts import ManifestParts
    from penstock.manifest.reader import ManifestReader
    from penstock.manifest.schema import (
        SPLITS,
        Described,
        Extent,
        ManifestInfo,
        Sample,
        SkippedObject,
        SourceSpec,
        Span,
        Split,
        no_spread,
        sample_key,
        sample_of,
    )
    from penstock.manifest.writer import ManifestWriter
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "classes": "ObjectClasses",
            "columns": "ExtentRows",
            "left_out": "NOT_WANTED LeftOutObjects was_asked",
            "listing": "ListingRecord ListingWriter is_listing parts_folder read_listing_record wait_for_part",
            "parts": "ManifestParts",
            "reader": "ManifestReader",
            "schema": "SPLITS Described Extent ManifestInfo Sample SkippedObject SourceSpec Span "
            "Split no_spread sample_key sample_of",
            "writer": "ManifestWriter",
        },
    )

__all__ = [
    "NOT_WANTED",
    "SPLITS",
    "Described",
    "Extent",
    "ExtentRows",
    "LeftOutObjects",
    "ListingRecord",
    "ListingWriter",
    "ManifestInfo",
    "ManifestParts",
    "ManifestReader",
    "ManifestWriter",
    "ObjectClasses",
    "Sample",
    "SkippedObject",
    "SourceSpec",
    "Span",
    "Split",
    "is_listing",
    "no_spread",
    "parts_folder",
    "read_listing_record",
    "sample_key",
    "sample_of",
    "wait_for_part",
    "was_asked",
]
