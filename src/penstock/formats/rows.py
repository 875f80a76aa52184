"""Rows of a block of which one extent has some: those of its split, where rows are split by a column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import Described

__all__ = ["block_rows"]


def block_rows(about: Described, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers within its block of the n-th rows of an extent, shape (rows,)."""
    if not about.args:
        return numbers
    return np.array([about.args[number][0] for number in numbers.tolist()], np.int64)
