"""Manifest rows that no file holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.manifest import Extent, ExtentRows


def rows_of(extents: Sequence[Extent]) -> ExtentRows:
    """Return extents as ``ManifestReader.take`` does."""
    spans = [span for extent in extents for span in extent.spans]
    return ExtentRows(
        rows=np.arange(len(extents), dtype=np.int64),
        extent_bytes=np.array([extent.size_bytes for extent in extents], np.int64),
        num_samples=np.array([extent.num_samples for extent in extents], np.int64),
        keys=[extent.key for extent in extents],
        groups=[extent.group for extent in extents],
        codecs=[extent.codec for extent in extents],
        of_samples=(
            [extent.keys for extent in extents],
            [extent.groups for extent in extents],
            [extent.targets for extent in extents],
            [extent.args for extent in extents],
        ),
        span_ends=np.cumsum([len(extent.spans) for extent in extents], dtype=np.int64),
        span_objects=[span.object for span in spans],
        span_versions=[span.version for span in spans],
        span_validators=[span.validator for span in spans],
        span_object_bytes=np.array([span.object_bytes for span in spans], np.int64),
        span_offsets=np.array([span.offset for span in spans], np.int64),
        span_lengths=np.array([span.length_bytes for span in spans], np.int64),
    )
