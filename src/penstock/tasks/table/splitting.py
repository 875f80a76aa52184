"""Which split each row is in: by itself, by its group, by its extent, or as a column says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.group_text import group_texts
from penstock.formats.values import Rows
from penstock.manifest import SPLITS
from penstock.plan import SplitRule, left_to_cut, row_ranks, split_rule
from penstock.tasks.protocols import Splitting
from penstock.tasks.split_names import split_of
from penstock.tasks.table.columns import as_text

__all__ = ["NO_SPLIT", "Splitter", "Unit"]

Unit = Literal["rows", "blocks", "groups"]
NO_SPLIT: Final = -1
"""In a row's place among ``SPLITS``, where a column says nothing of it."""
_SHOWN: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSplits:
    """What decides the splits of an extent's rows.

    Attributes:
        own: places among ``SPLITS`` that a column says, shape (rows,); empty where there is no such column.
        groups: of the rows; empty where they have none.
    """

    own: NDArray[np.int8]
    groups: tuple[str, ...]


class Splitter:
    """Decides the splits of rows.

    Args:
        unit: what is of one split: each row, each extent, or what has the same value in ``group``.
        group: column.
        split: column that says a row's split itself.
    """

    def __init__(self, asked: Splitting, *, unit: Unit, group: str | None, split: str | None) -> None:
        self.unit = unit
        self._asked, self._group, self._split = asked, group, split
        self._rule = split_rule(fractions=asked.fractions, seed=asked.seed)
        self.own_names: set[str] = set()
        self._of_group: dict[str, int] = {}
        """Splits that a column says of groups."""

    def read(self, told: pa.Table, where: Callable[[int], str]) -> RowSplits:
        """Read what decides the splits of some rows.

        Raises:
            DataError: a cell is empty or no split, or a group is in two of the dataset's splits.
        """
        groups = _groups(told.select([self._group])) if self._group is not None else []
        if "" in groups:
            raise _empty(where(groups.index("")), str(self._group))
        own = np.zeros(0, np.int8)
        if self._split is not None:
            own = self._own(as_text(told[self._split]), where)
            for row, (group, place) in enumerate(zip(groups, own.tolist(), strict=False)):
                before = self._of_group.setdefault(group, place)
                if before != place:
                    raise DataError(
                        f"{where(row)}: the group {group!r} is in two of the dataset's splits, {SPLITS[before]} and "
                        f"{SPLITS[place]}",
                        fix="leave --option group-column= or split-column= out",
                        about=where(row),
                    )
        return RowSplits(own=own, groups=tuple(groups))

    def training(self, key: str, count: int, rows: RowSplits) -> NDArray[np.bool_]:
        """Tell which of an extent's rows are of the training split, whatever is read behind them, shape (rows,).

        Where a column says the splits and has all of them, its train split is cut no further, and there are more.
        """
        found: NDArray[np.bool_] = self._places(self._rule, key, count, rows.groups) == 0
        return found & (rows.own == 0) if rows.own.size else found

    def places(self, key: str, count: int, rows: RowSplits) -> NDArray[np.int64]:
        """Return the places among ``SPLITS`` of an extent's rows, shape (rows,); when all were read."""
        if not rows.own.size:
            return self._places(self._rule, key, count, rows.groups)
        left = left_to_cut(self._asked.fractions, self.own_names)
        cut = self._places(split_rule(fractions=left, seed=self._asked.seed), key, count, rows.groups)
        return np.where(rows.own == 0, cut, rows.own.astype(np.int64))

    def _places(self, rule: SplitRule, key: str, count: int, groups: Sequence[str]) -> NDArray[np.int64]:
        numbers = np.array([SPLITS.index(name) for name in rule.names], np.int64)
        if self.unit == "groups":
            by_name = {name: SPLITS.index(rule(name)) for name in set(groups)}
            return np.array([by_name[name] for name in groups], np.int64)
        if self.unit == "blocks":
            return np.full(count, SPLITS.index(rule(key)), np.int64)
        return numbers[rule.of_ranks(row_ranks(self._asked.seed, key, count))]

    def _own(self, cells: pa.Array, where: Callable[[int], str]) -> NDArray[np.int8]:
        encoded = cells.dictionary_encode()
        names: list[str] = encoded.dictionary.to_pylist()
        splits = [split_of(name) for name in names]
        indices = encoded.indices.to_numpy()
        if "" in splits:
            wrong = splits.index("")
            row = int(np.flatnonzero(indices == wrong)[0])
            raise DataError(
                f"{where(row)}: {self._split} is {names[wrong][:_SHOWN]!r}, which is no split",
                fix="write train, valid or test",
                about=where(row),
            )
        self.own_names |= set(splits)
        places: NDArray[np.int8] = np.array([SPLITS.index(name) for name in splits], np.int8)[indices]
        return places


def _groups(told: pa.Table) -> list[str]:
    """Return the texts of a table's one column."""
    return group_texts(value for row in Rows(told) for value in row.values())


def _empty(where: str, column: str) -> DataError:
    return DataError(
        f"{where}: the column {column} is empty", fix="write the row's group, as of other rows", about=where
    )
