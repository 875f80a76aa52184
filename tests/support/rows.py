"""Manifest rows that no file holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.records import Sample, SampleRows


def rows_of(samples: Sequence[Sample]) -> SampleRows:
    """Give samples as ``ManifestReader.take`` does."""
    spans = [span for sample in samples for span in sample.spans]
    return SampleRows(
        rows=np.arange(len(samples), dtype=np.int64),
        sample_bytes=np.array([sample.size_bytes for sample in samples], np.int64),
        keys=[sample.key for sample in samples],
        groups=[sample.group for sample in samples],
        decodes=[sample.decode for sample in samples],
        targets=[sample.target for sample in samples],
        args=[sample.args for sample in samples],
        span_ends=np.cumsum([len(sample.spans) for sample in samples], dtype=np.int64),
        span_objects=[span.object for span in spans],
        span_etags=[span.etag for span in spans],
        span_object_bytes=np.array([span.object_bytes for span in spans], np.int64),
        span_offsets=np.array([span.offset for span in spans], np.int64),
        span_lengths=np.array([span.length_bytes for span in spans], np.int64),
    )
