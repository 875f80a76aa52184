"""How a row's columns become numbers that a network is fed with: what was found in the training split's rows.

A number is standardised by the mean and the standard deviation of the training split's; one that is missing is the
mean, 0, and where there are such in the training split, it is marked by a number of its own, 1 for missing. A category
has a number for each of its values, 1 for the one that a row has; a value that the training split does not have is none
of them, all 0, or the rest, where rare values share one number.
"""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.codec import Codec
from penstock.tasks.table.columns import as_numbers, as_text

__all__ = ["Category", "Encoding", "Number"]

FARTHEST: Final = 1e6
"""Standard deviations, up to which a number is given as it is."""


class Number(msgspec.Struct, frozen=True, kw_only=True, tag="number", forbid_unknown_fields=True):
    """A column of numbers.

    Attributes:
        std: above 0.
        marks_missing: whether a number of its own says that it is missing.
    """

    name: str
    mean: float
    std: float
    marks_missing: bool

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return 2 if self.marks_missing else 1

    def fill(self, column: pa.ChunkedArray, place: NDArray[np.float32]) -> None:
        """Write a column's numbers, shape (rows, width).

        Raises:
            DataError: it holds text that is no number.
        """
        values, wrong = as_numbers(column)
        if wrong is not None:
            cell = str(column[wrong].as_py())[:40]
            raise DataError(f"{self.name} is {cell!r}, which is no number", fix="list the dataset again")
        missing = np.isnan(values)
        values = np.clip((values - self.mean) / self.std, -FARTHEST, FARTHEST)
        place[:, 0] = np.where(missing, 0, values)
        if self.marks_missing:
            place[:, 1] = missing


class Category(
    msgspec.Struct, frozen=True, kw_only=True, tag="category", forbid_unknown_fields=True, omit_defaults=True
):
    """A column of categories.

    Attributes:
        values: that have a number each; the empty text is a missing value.
        has_rest: whether all other values share one.
        by_value: whether whole numbers are one value however they are written, ``1`` and ``1.0``.
    """

    name: str
    values: tuple[str, ...]
    has_rest: bool
    by_value: bool = False

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return len(self.values) + self.has_rest

    def fill(self, column: pa.ChunkedArray, place: NDArray[np.float32]) -> None:
        """Write a column's numbers, zeros before, shape (rows, width)."""
        found = pc.index_in(as_text(column, by_value=self.by_value), value_set=pa.array(self.values, pa.string()))
        numbers = found.fill_null(len(self.values)).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(numbers < self.width)
        place[rows, numbers[rows]] = 1


class Encoding(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rows become numbers."""

    kind: ClassVar[str] = "the numbers of tables"

    columns: tuple[Number | Category, ...]

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return sum(column.width for column in self.columns)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def matrix(self, table: pa.Table) -> NDArray[np.float32]:
        """Return rows as numbers, shape (rows, width).

        Raises:
            DataError: a column of numbers holds something else.
        """
        found = np.zeros((table.num_rows, self.width), np.float32)
        at = 0
        for column in self.columns:
            column.fill(table[column.name], found[:, at : at + column.width])
            at += column.width
        return found
