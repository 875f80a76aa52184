"""What the EEG tasks share: decoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.tasks.eeg.epochs import decode_epoch

__all__ = ["EegTask"]


class EegTask:
    """Decodes epochs of recordings."""

    recipe = "eeg"

    def decode(
        self, data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
    ) -> NDArray[np.float32]:
        """Give the epoch, shape (channels, times).

        Raises:
            DataError: the bytes do not mean what they should.
        """
        return decode_epoch(data, decode=decode, args=args, rng=rng)
