"""The values of groups of rows, with the positions of those."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.dataset.mixed_loader import MixedLoader
from penstock.errors import CheckpointMismatch, DataError
from penstock.stream.face import Stream

__all__ = ["Groups"]


@dataclass(slots=True)
class _Group:
    """Values of some rows.

    Attributes:
        before: the position of the rows.
        values: that are left of it.
        taken: how many were given.
    """

    before: dict[str, Any]
    values: deque[Any]
    taken: int = 0


class Groups:
    """Values in their order, made some rows at a time.

    Args:
        source: whose batches are the values of a group, as bytes.
    """

    def __init__(self, source: Stream | MixedLoader) -> None:
        self._source = source
        self._held: deque[_Group] = deque()
        self._batches: Iterator[Any] | None = None
        self._is_over = False
        self._loaded = 0

    def begin(self, epoch: int) -> None:
        """Go to the beginning of an epoch of the rows."""
        self._held.clear()
        self._batches, self._is_over, self._loaded = None, False, 0
        self._source.set_epoch(epoch)

    def let_go(self) -> None:
        """Leave out what is held, at the end of an epoch."""
        self._held.clear()

    def position(self) -> tuple[dict[str, Any], int]:
        """Return that of the rows that the next value is made of, and which of their values it is."""
        if self._held:
            return self._held[0].before, self._held[0].taken
        return dict(self._source.state_dict()), self._loaded

    def load(self, rows: Mapping[str, Any], taken: int) -> None:
        """Take up a position.

        Raises:
            CheckpointMismatch: it is of other rows.
        """
        self._source.load_state_dict(dict(rows))
        self._held.clear()
        self._batches, self._is_over, self._loaded = None, False, taken

    def make_ready(self, wanted: int, *, goes_on: bool) -> int:
        """Have values ready; return how many are, at most as many as are wanted.

        Args:
            goes_on: whether another epoch of the rows follows where one ends.

        Raises:
            DataError: nothing is made of all rows of an epoch.
        """
        in_vain = 0
        while (found := sum(len(each.values) for each in self._held)) < wanted and (goes_on or not self._is_over):
            if self._fetch():
                continue
            in_vain += 1
            if goes_on and in_vain > 1 and not found:
                raise DataError(
                    "map_batches made no value of all rows of an epoch", fix="look at what its function returns"
                )
        return min(found, wanted)

    def take(self, number: int) -> list[Any]:
        """Return values that are ready."""
        found: list[Any] = []
        while len(found) < number:
            group = self._held[0]
            found.append(group.values.popleft())
            group.taken += 1
            if not group.values:
                self._held.popleft()
        return found

    def _fetch(self) -> bool:
        """Make the values of the next group; tell whether there was one in this epoch of the rows."""
        if self._batches is None:
            self._batches = iter(self._source)
            self._is_over = False
        before = dict(self._source.state_dict())
        packed = next(self._batches, None)
        if packed is None:
            self._batches, self._is_over = None, True
            return False
        values = deque(pickle.loads(packed))  # noqa: S301 - packed by this process's own workers
        taken, self._loaded = self._loaded, 0
        if taken > len(values):
            raise CheckpointMismatch(
                f"the saved position is behind {taken} values of some rows, of which {len(values)} are made now",
                fix="the function must make the same values of the same rows; begin anew where it was changed",
            )
        for _ in range(taken):
            values.popleft()
        if values:
            self._held.append(_Group(before=before, values=values, taken=taken))
        return True
