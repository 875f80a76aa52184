"""The values that are made of one shard's rows, several rows at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from penstock.dataset.functions import CollateLeft
from penstock.dataset.shard_rows import ShardRows

__all__ = ["RegroupedRows"]


class RegroupedRows(Iterator[Any]):
    """Values of a shard; a context manager, and closed when it has ended or failed.

    Groups are of rows as they are stored: what ``filter`` leaves out before is counted.

    Attributes:
        row: number, 0-based, of the first row of the group that the next value is of; of the next group where
            nothing is left of the last one.
        nth: of the values of that group, the number of the next one.
    """

    def __init__(
        self, rows: ShardRows, made: Callable[..., Any], functions: Sequence[Callable[..., Any]], *, size: int
    ) -> None:
        self._rows, self._size = rows, size
        self._make = CollateLeft(list, (made, *functions), gives_all=True)
        self._values: deque[Any] = deque()
        self._held: deque[tuple[int, Any]] = deque()
        self._ended = False
        self._next_group = self.row = rows.row
        self.nth = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while not self._values:
            if self._ended and not self._held:
                raise StopIteration
            self._open_next()
        value = self._values.popleft()
        self.nth += 1
        if not self._values:
            self.row, self.nth = self._next_group, 0
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what was read; nothing comes after."""
        self._rows.close()
        self._values.clear()
        self._held.clear()
        self._ended = True

    def _open_next(self) -> None:
        """Make the values of the next group that has rows; those that filter leaves nothing of are passed."""
        if not self._held:
            self._read()
        first = self._held[0][0] if self._held else self._next_group
        begin = first - first % self._size
        while not self._ended and self._held[-1][0] < begin + self._size:
            self._read()
        group = []
        while self._held and self._held[0][0] < begin + self._size:
            group.append(self._held.popleft()[1])
        self._next_group = begin + self._size
        try:
            self._values.extend(self._make(group) if group else ())
        except BaseException:
            self.close()
            raise
        self.row, self.nth = (begin, 0) if self._values else (self._next_group, 0)

    def _read(self) -> None:
        value = next(self._rows, self)
        if value is self:
            self._ended = True
        else:
            self._held.append((self._rows.row - 1, value))
