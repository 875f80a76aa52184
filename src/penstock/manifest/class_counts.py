"""How many samples of a split each class has, as the manifest knows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.errors import MissingLabel
from penstock.manifest.reader import ManifestReader

__all__ = ["class_counts"]

CHUNK_ROWS = 65_536


def class_counts(manifest: Path, *, split: str = "train") -> NDArray[np.int64]:
    """Count the samples of each class, shape (classes,); those whose class is not known are left out.

    Raises:
        ConfigError: there is no such split.
        MissingLabel: the manifest does not know the class of any.
        RecordError: it cannot be read.
    """
    with ManifestReader(manifest) as reader:
        part, num_classes = reader.info.split(split), len(reader.info.classes)
        counts = np.zeros(num_classes, dtype=np.int64)
        end = part.first_row + part.num_extents
        for first in range(part.first_row, end, CHUNK_ROWS):
            rows = reader.take(np.arange(first, min(first + CHUNK_ROWS, end), dtype=np.int64))
            known = [int(one) for each in rows.of_samples[2] for one in each if one is not None]
            counts += np.bincount(known, minlength=num_classes)
    if not counts.any():
        raise MissingLabel(f"the manifest does not tell the class of any sample of {split!r}", fix="give their weights")
    return counts
