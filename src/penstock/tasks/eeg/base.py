"""What the EEG tasks share: decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import Described, sample_of
from penstock.tasks.eeg.epochs import open_epochs, part_of_epoch, stored_epoch

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

    def to_store(self, value: Any) -> Any:
        """Return an epoch, of which chance takes a part, as a tree: in float32 where that loses nothing.

        Itself where signals are as they were recorded: those take a third of the room, and are decoded in no time.
        """
        epoch, target = value
        if epoch.how.signal is None:
            return value
        small = epoch.volts.astype(np.float32)
        volts = small if np.array_equal(small.astype(np.float64), epoch.volts) else epoch.volts
        return {"volts": volts, "crop": epoch.crop, "targets": target}

    def from_store(self, tree: Any, codec: str) -> Any:
        """Return the epoch, and its target."""
        volts = tree["volts"].astype(np.float64, copy=False)
        return stored_epoch(volts, decode=codec, crop=tree["crop"]), tree["targets"]
