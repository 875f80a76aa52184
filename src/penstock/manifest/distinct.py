"""Counting distinct names in bounded memory.

A name stands for itself by its 64-bit hash (SipHash, keyed anew in each process): of ten million names, two are
taken for one with a chance of three in a million. Hashes are held up to ``HELD_NAMES``; more go, sorted, to a
scratch file, and are joined part by part in the end.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.files import ScratchFile

__all__ = ["DistinctNames"]

HELD_NAMES = 1 << 18
NUM_PARTS = 256

_ENTRY = np.dtype([("hash", np.int64), ("amount", np.int64)])
_FIRST_HASHES = np.array([-(2**63) + part * (2**64 // NUM_PARTS) for part in range(1, NUM_PARTS)], dtype=np.int64)


class DistinctNames:
    """Counts the distinct ones among names, and adds up an amount of each.

    Args:
        folder: where what does not fit in memory goes.
        held_names: most names held in memory, 16 bytes each; None is ``HELD_NAMES``.

    Raises:
        DiskFull, OutputUnwritable: from any method.
    """

    def __init__(self, folder: Path, *, held_names: int | None = None) -> None:
        self._folder = folder
        self._held_names = held_names or HELD_NAMES
        self._hashes = array("q")
        self._amounts = array("q")
        self._last = ""
        self._file: ScratchFile | None = None
        self._runs: list[tuple[int, NDArray[np.int64]]] = []
        """Offset of each run in the file, and how many of its entries lie before each part's end."""

    def add(self, name: str, amount: int = 0) -> None:
        """Count a name; its amount is the same whenever it comes."""
        if name == self._last and self._hashes:
            return
        self._last = name
        self._hashes.append(hash(name))
        self._amounts.append(amount)
        if len(self._hashes) >= self._held_names:
            self._spill()

    def totals(self) -> tuple[int, int]:
        """Return how many distinct names there were, and their amounts together."""
        count = total = 0
        for part in self._parts():
            count += len(part)
            total += int(part["amount"].sum())
        return count, total

    def totals_by(self, labels: DistinctNames) -> dict[int, tuple[int, int]]:
        """Return the same by label: by the amounts that others hold of the same names, 0 for names that they lack."""
        found: dict[int, tuple[int, int]] = {}
        for part, told in zip(self._parts(), labels._parts(), strict=True):
            given = _labels(part["hash"], told)
            for label in np.unique(given):
                chosen = part["amount"][given == label]
                count, total = found.get(int(label), (0, 0))
                found[int(label)] = count + len(chosen), total + int(chosen.sum())
        return found

    def close(self) -> None:
        """Let go of the scratch file."""
        if self._file is not None:
            self._file.close()

    def _held(self) -> NDArray[np.void]:
        entries = np.empty(len(self._hashes), dtype=_ENTRY)
        entries["hash"], entries["amount"] = self._hashes, self._amounts
        return _distinct(entries)

    def _spill(self) -> None:
        if self._file is None:
            self._file = ScratchFile(self._folder)
        entries = self._held()
        ends = np.append(np.searchsorted(entries["hash"], _FIRST_HASHES), len(entries))
        offset, _ = self._file.append(entries.tobytes())
        self._runs.append((offset, ends))
        self._hashes, self._amounts = array("q"), array("q")

    def _parts(self) -> Iterator[NDArray[np.void]]:
        """Give the distinct ones, those of a part of all hashes at a time."""
        if self._runs and self._hashes:
            self._spill()
        if self._runs:
            yield from map(self._part, range(NUM_PARTS))
            return
        held = self._held()
        yield from np.split(held, np.searchsorted(held["hash"], _FIRST_HASHES))

    def _part(self, number: int) -> NDArray[np.void]:
        assert self._file is not None
        found = []
        for offset, ends in self._runs:
            first, end = int(ends[number - 1]) if number else 0, int(ends[number])
            data = self._file.read(offset + first * _ENTRY.itemsize, (end - first) * _ENTRY.itemsize)
            found.append(np.frombuffer(data, dtype=_ENTRY))
        return _distinct(np.concatenate(found))


def _labels(hashes: NDArray[np.int64], told: NDArray[np.void]) -> NDArray[np.int64]:
    """Return what is told of each hash, 0 where nothing is."""
    if not len(told):
        return np.zeros(len(hashes), np.int64)
    places = np.minimum(np.searchsorted(told["hash"], hashes), len(told) - 1)
    return np.where(told["hash"][places] == hashes, told["amount"][places], 0)


def _distinct(entries: NDArray[np.void]) -> NDArray[np.void]:
    """Return one entry of each hash, in the order of the hashes."""
    return entries[np.unique(entries["hash"], return_index=True)[1]]
