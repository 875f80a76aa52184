"""What the EEG tasks share: decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import Described, sample_of
from penstock.tasks.eeg.epochs import open_epochs, part_of_epoch

__all__ = ["EegTask"]


class EegTask:
    """Decodes epochs of recordings."""

    recipe = "eeg"

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return epochs of an extent, and their targets.

        Raises:
            DataError: the bytes do not mean what they should.
        """
        samples = [sample_of(about, number) for number in numbers.tolist()]
        epochs = open_epochs(data, decode=codec, args=[sample.args for sample in samples], name=about.key)
        return [(epoch, sample.target) for epoch, sample in zip(epochs, samples, strict=True)]

    def transform(self, value: Any, rng: np.random.Generator | None) -> dict[str, Any]:
        """Return the part of the epoch that is learnt from, float32, shape (channels, times)."""
        epoch, target = value
        return {"inputs": part_of_epoch(epoch, rng), "targets": target}
