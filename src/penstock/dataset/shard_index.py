"""Which extents of a manifest are of which shard."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import ManifestReader, Split

__all__ = ["Run", "ShardIndex", "shard_of"]

_CHUNK = 65_536


class Run(NamedTuple):
    """Extents that follow each other in a manifest: rows ``begin`` to ``end`` of it, the second not included."""

    begin: int
    end: int


class ShardIndex:
    """The shards of a split: names in the order in which they come, and where their extents are.

    Of each it holds its name and its number, and the rows of its first run: 24 bytes beside the name.

    Args:
        reader: of the manifest.
    """

    def __init__(self, reader: ManifestReader, split: Split) -> None:
        self._first_row = split.first_row
        self._counts = reader.counts(split)
        self._numbers: dict[str, int] = {}
        self._begins, self._ends = array("q"), array("q")
        self._others: dict[int, list[Run]] = {}
        last = -1
        for row, name in _names(reader, split):
            number = self._numbers.setdefault(name, len(self._begins))
            if number == len(self._begins):
                self._begins.append(row)
                self._ends.append(row + 1)
            elif number not in self._others and number == last:
                self._ends[number] = row + 1
            elif number == last:
                runs = self._others[number]
                runs[-1] = Run(runs[-1].begin, row + 1)
            else:
                self._others.setdefault(number, []).append(Run(row, row + 1))
            last = number
        self.names = tuple(self._numbers)

    def __contains__(self, name: object) -> bool:
        return name in self._numbers

    def num_rows(self, name: str) -> int:
        """Return how many samples a shard has."""
        return int(sum(self._of(run).sum() for run in self._runs(name)))

    def num_extents(self, name: str) -> int:
        """Return how many extents it has."""
        return sum(run.end - run.begin for run in self._runs(name))

    def rows(self, name: str) -> Iterator[int]:
        """Return the rows of the manifest that its extents are."""
        for run in self._runs(name):
            yield from range(run.begin, run.end)

    def from_row(self, name: str, row: int) -> Iterator[tuple[int, int]]:
        """Return the extents of a shard from the one on that holds a row, each with its first row that is wanted.

        Args:
            row: 0-based, at most as many as there are.

        Returns:
            Rows of the manifest, and numbers in the extent.
        """
        for run in self._runs(name):
            ends = np.cumsum(self._of(run))
            total = int(ends[-1])
            if row >= total:
                row -= total
                continue
            first = int(np.searchsorted(ends, row, side="right"))
            within = row - (int(ends[first - 1]) if first else 0)
            yield run.begin + first, within
            for other in range(run.begin + first + 1, run.end):
                yield other, 0
            row = 0

    def _runs(self, name: str) -> list[Run]:
        number = self._numbers[name]
        return [Run(self._begins[number], self._ends[number]), *self._others.get(number, ())]

    def _of(self, run: Run) -> NDArray[np.int64]:
        return self._counts[run.begin - self._first_row : run.end - self._first_row]


def _names(reader: ManifestReader, split: Split) -> Iterator[tuple[int, str]]:
    """Return the shard of each extent, by its row."""
    end = split.first_row + split.num_extents
    for begin in range(split.first_row, end, _CHUNK):
        rows = np.arange(begin, min(begin + _CHUNK, end))
        taken = reader.take(rows)
        start = 0
        for row, key, group, stop in zip(
            rows.tolist(), taken.keys, taken.groups, taken.span_ends.tolist(), strict=True
        ):
            yield row, shard_of(key, taken.span_objects[start:stop], group)
            start = stop


def shard_of(key: str, objects: Sequence[str], group: str = "") -> str:
    """Return the shard that an extent is of: its object, or what its objects are members of.

    Args:
        key: of the extent: that of the object which it was found in, alone or with what follows a slash.
        objects: that its bytes lie in.
        group: that it is of.
    """
    if objects and (key == objects[0] or key.startswith(f"{objects[0]}/")):
        return objects[0]
    parts = key.split("/")
    heads = {"/".join(parts[:end]) for end in range(1, len(parts) + 1)}
    stems = {_stem(head) for head in heads}
    # The object that it was found in, or numbers that lie beside their description: `a.eeg` beside `a.vhdr`.
    own = next((each for each in objects if each in heads), None) or next(
        (each for each in objects if _stem(each) in stems), None
    )
    if own is not None:
        return own
    if group in heads:
        return group
    folder = key.rpartition("/")[0]
    if folder and all(each.startswith(f"{folder}/") for each in objects):
        return folder
    return objects[0] if objects else key


def _stem(key: str) -> str:
    folder, slash, name = key.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"
