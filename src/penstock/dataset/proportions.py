"""How many samples of each member an epoch of a mix has, and which sample is of which: pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.plan import Permutation

__all__ = ["Draws", "Stop", "epoch_counts", "rounds"]

MOST_SAMPLES: Final = 10**12
"""Of an epoch, on each rank: more is a mistake in the weights."""

Stop = Literal["first", "all"]


def epoch_counts(sizes: Sequence[int], shares: Sequence[float], *, stop: Stop) -> list[int]:
    """Return how many samples of each member an epoch has.

    Args:
        sizes: samples of each member's own epoch.
        shares: of the members, which make 1 together.

    Raises:
        ConfigError: it has more than ``MOST_SAMPLES``.
    """
    if stop == "all":
        whole = max(size / share for size, share in zip(sizes, shares, strict=True))
        if whole > MOST_SAMPLES:
            raise ConfigError(
                f"an epoch of the mix has {whole:.3g} samples, until all of each member were given",
                fix='give the largest members more weight, or stop="first"',
            )
        return [max(size, round(whole * share)) for size, share in zip(sizes, shares, strict=True)]
    whole = min(size / share for size, share in zip(sizes, shares, strict=True))
    return [min(size, max(1, round(whole * share))) for size, share in zip(sizes, shares, strict=True)]


class Draws:
    """Which member each sample of an epoch is of."""

    def __init__(self, counts: Sequence[int], *, seed: int, epoch: int) -> None:
        self._ends = np.cumsum(counts, dtype=np.int64)
        self._permutation = Permutation(int(self._ends[-1]), seed=seed, epoch=epoch, purpose="members")

    def __call__(self, first: int, count: int) -> NDArray[np.int64]:
        """Return the members of some samples from the ``first`` on, as many as there are, shape (samples,)."""
        positions = np.arange(first, min(first + count, int(self._ends[-1])), dtype=np.int64)
        return np.searchsorted(self._ends, self._permutation(positions), side="right").astype(np.int64)


def rounds(count: int, size: int) -> int:
    """Return how many epochs of a member an epoch of the mix begins."""
    return max(1, math.ceil(count / size))
