"""List columns of a manifest in memory: what lies in them, and where each row's items end unless all have as many."""

from __future__ import annotations

from itertools import repeat
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.manifest.texts import narrow

__all__ = ["Lists", "Numbers", "Values", "runs"]


class Values(Protocol):
    """Values of a column."""

    size_bytes: int

    def __getitem__(self, row: int) -> Any:
        """Return the value of a row."""
        ...

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return values of rows, shape as given."""
        ...


class Numbers:
    """A column of numbers, of which some may be missing (None); whole ones in their smallest type.

    Attributes:
        size_bytes: what it takes in memory.
    """

    def __init__(self, array: pa.Array) -> None:
        is_whole = pa.types.is_integer(array.type)
        self._values: NDArray[Any] = narrow(array) if is_whole else array.to_numpy(zero_copy_only=False)
        self._known = _is_known(array)
        self.size_bytes: int = self._values.nbytes + (0 if self._known is None else self._known.nbytes)

    def __getitem__(self, row: int) -> float | int | None:
        number: float | int = self._values[row].item()
        return number if self._known is None or self._known[row] else None

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return numbers of rows, shape as given."""
        found = self._values[rows].astype(object)
        if self._known is not None:
            found[~self._known[rows]] = None
        return found


class Lists:
    """A column of lists.

    Attributes:
        size_bytes: what it takes in memory.
    """

    def __init__(self, array: pa.ListArray, values: Values) -> None:
        self._values = values
        ends = narrow(array.offsets)
        self._count = _same_count(ends)
        self._ends = ends if self._count is None else ends[:0]
        self.size_bytes: int = self._ends.nbytes + values.size_bytes

    def bounds(self, row: int) -> tuple[int, int]:
        """Return where a row's items begin, and where they end."""
        if self._count is None:
            return int(self._ends[row]), int(self._ends[row + 1])
        return row * self._count, (row + 1) * self._count

    def __getitem__(self, row: int) -> tuple[Any, ...]:
        return tuple(self._values[at] for at in range(*self.bounds(row)))

    def places(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many items rows have, and where each item lies, shape (rows,) and (items,)."""
        if self._count is None:
            starts = self._ends[rows].astype(np.int64)
            counts = self._ends[rows + 1] - starts
        else:
            starts, counts = rows * self._count, np.full(len(rows), self._count, np.int64)
        return counts, starts if self._count == 1 else runs(starts, counts)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the lists of rows as tuples, shape (rows,)."""
        if self._count == 0:
            found: Any = repeat((), len(rows))
        else:
            counts, places = self.places(rows)
            items = self._values.take(places).tolist()
            if self._count == 1:
                found = zip(items, strict=True)
            elif self._count is not None:
                found = zip(*[iter(items)] * self._count, strict=True)
            else:
                ends = np.cumsum(counts).tolist()
                found = (tuple(items[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True))
        return np.fromiter(found, dtype=object, count=len(rows))


def runs(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the whole numbers from each start, as many as its count, one run after the other."""
    ends = np.cumsum(counts)
    return np.arange(int(counts.sum()), dtype=np.int64) + np.repeat(starts - ends + counts, counts)


def _is_known(array: pa.Array) -> NDArray[np.bool_] | None:
    """Tell which values there are, shape (values,); None where all are."""
    validity = array.buffers()[0]
    if validity is None:
        return None
    bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(np.bool_)


def _same_count(ends: NDArray[Any]) -> int | None:
    """Return how many items each row of a list column has, None where they differ or some items are not its."""
    counts = np.diff(ends.astype(np.int64))
    return int(counts[0]) if len(counts) and (counts == counts[0]).all() and ends[0] == 0 else None
