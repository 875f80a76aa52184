"""What the training split's rows have in each column, gathered a part of a table after the other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.manifest import no_spread
from penstock.tasks.table.columns import as_numbers, as_text, told_kind
from penstock.tasks.table.encoding import Category, Encoding, Number
from penstock.tasks.table.whole import name_of

__all__ = ["MOST_VALUES", "ColumnFound", "Statistics"]

MOST_VALUES: Final = 100_000
"""Different values of a column of categories that are counted."""
LEAST_SHARE: Final = 0.1
"""Of the rows, that the values of a category which are told apart must have, where nobody asked for it."""
_SHOWN: Final = 40
_NUMBER: Final = re.compile(r"-?[0-9]+")


@dataclass(kw_only=True, slots=True)
class ColumnFound:
    """What a column has in the training split.

    Attributes:
        kind: ``number`` or ``text``; the empty text where it has nothing yet that tells.
        num_rows: that were looked at.
        num_missing: of them.
        mean, squares: of its numbers, the mean and the sum of squared deviations (Chan, Golub and LeVeque 1979).
        counts: of its values.
        is_crowded: whether there are more values than are counted.
    """

    kind: str
    num_rows: int = 0
    num_missing: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    counts: Counter[str] = field(default_factory=Counter)
    is_crowded: bool = False

    def add_numbers(self, values: NDArray[np.float64]) -> None:
        """Take numbers in, NaN where one is missing."""
        known = values[~np.isnan(values)]
        before = self.num_rows - self.num_missing
        self.num_rows += len(values)
        self.num_missing += len(values) - len(known)
        if not len(known):
            return
        mean, delta = float(known.mean()), float(known.mean()) - self.mean
        total = before + len(known)
        self.squares += float(((known - mean) ** 2).sum()) + delta**2 * before * len(known) / total
        self.mean += delta * len(known) / total
        self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))

    def add_text(self, values: pa.Array) -> None:
        """Take text in, empty where there is none."""
        self.num_rows += len(values)
        if self.is_crowded:
            return
        for each in pc.value_counts(values).to_pylist():
            self.counts[each["values"]] += each["counts"]
        self.num_missing = self.counts[""]
        self.is_crowded = len(self.counts) > MOST_VALUES

    @property
    def std(self) -> float:
        """Standard deviation of its numbers; 0 where they do not differ but for rounding."""
        known = self.num_rows - self.num_missing
        if not known or no_spread(self.high - self.low, max(abs(self.low), abs(self.high))):
            return 0.0
        return float(np.sqrt(self.squares / known))


class Statistics:
    """What the training split's rows have in some columns.

    Args:
        kinds: of the columns; the empty text has it found out by the first rows where it is not missing.
        categories: columns whose numbers are categories.
        is_typed: whether columns have types.
    """

    def __init__(self, kinds: Mapping[str, str], *, categories: Sequence[str], is_typed: bool) -> None:
        self._is_typed = is_typed
        self.found = {name: ColumnFound(kind="text" if name in categories else kind) for name, kind in kinds.items()}

    def add(self, table: pa.Table, training: NDArray[np.bool_], where: Callable[[int], str]) -> None:
        """Take rows in, of which those of the training split count.

        Args:
            training: which they are, shape (rows,).
            where: names a row.

        Raises:
            DataError: a column of numbers holds text that is none.
        """
        for name, found in self.found.items():
            column = table[name]
            if not found.kind:
                found.kind = told_kind(column, is_typed=self._is_typed)
            if found.kind == "text":
                found.add_text(as_text(column, by_value=True).filter(pa.array(training)))
                continue
            values, wrong = as_numbers(column)
            if wrong is not None:
                raise _no_number(name, str(column[wrong].as_py()), where(wrong))
            found.add_numbers(values[training])

    def encoding(self, *, asked: Sequence[str], most_values: int) -> tuple[Encoding, dict[str, str]]:
        """Return how rows become numbers, and why columns are left out.

        Args:
            asked: columns that a person named, which are not left out.
            most_values: of a category that have a number each.

        Raises:
            DataError: there is nothing to learn from, in a column that was asked for or in all.
        """
        columns: list[Number | Category] = []
        left_out: dict[str, str] = {}
        for name, found in self.found.items():
            reason = _useless(found, most_values=most_values, is_asked=name in asked)
            if not reason:
                columns.append(_encoded(name, found, most_values))
            elif name in asked:
                raise DataError(
                    f"the column {name} {reason} of the training split", fix="name other columns with --option columns="
                )
            else:
                left_out[name] = reason
        if not columns:
            told = "; ".join(f"{name} {reason}" for name, reason in list(left_out.items())[:5])
            raise DataError(
                f"there is no column to learn from{f': {told}' if told else ''}",
                fix=self._advice(left_out, most_values=most_values),
            )
        return Encoding(columns=tuple(columns)), left_out

    def _advice(self, left_out: Iterable[str], *, most_values: int) -> str:
        """Say what to do where all columns are left out: those that are by choice alone may be named."""
        may = [name for name in left_out if not _useless(self.found[name], most_values=most_values, is_asked=True)]
        if not may:
            return "take tables with a column beside the target whose rows differ"
        return f"name what is to be learnt from all the same, like --option columns={may[0]}"


def _useless(found: ColumnFound, *, most_values: int, is_asked: bool) -> str:
    if found.num_missing == found.num_rows:
        return "is missing in every row"
    if found.kind != "text":
        return "" if found.std or found.num_missing else f"is {_about(found)} in every row"
    if found.is_crowded:
        return f"has more than {MOST_VALUES:,} different values"
    if len(found.counts) == 1:
        return f"is {next(iter(found.counts))[:_SHOWN]!r} in every row"
    if is_asked or len(found.counts) <= most_values:
        return ""
    if 2 * len(found.counts) > found.num_rows:
        return "is text of its own in most rows"
    kept = sum(count for _, count in found.counts.most_common(most_values))
    share = kept / found.num_rows
    told = f"has {len(found.counts):,} values, the {most_values} commonest of which are {100 * share:.0f} % of the rows"
    return told if share < LEAST_SHARE else ""


def _about(found: ColumnFound) -> str:
    """Tell what a column's numbers are, which do not differ, or by less than 64 bits tell."""
    is_exact = found.low == found.high and abs(found.low) < 2**53
    return name_of(found.low) if is_exact else f"about {found.low:g}, as far as floats of 64 bits tell,"


def _encoded(name: str, found: ColumnFound, most_values: int) -> Number | Category:
    if found.kind != "text":
        return Number(name=name, mean=found.mean, std=found.std or 1.0, marks_missing=found.num_missing > 0)
    ranked = sorted(found.counts, key=lambda value: (-found.counts[value], value))
    kept = ranked[:most_values]
    by_value = any(_NUMBER.fullmatch(value) for value in kept)
    return Category(name=name, values=tuple(sorted(kept)), has_rest=len(ranked) > len(kept), by_value=by_value)


def _no_number(name: str, cell: str, where: str) -> DataError:
    return DataError(
        f"{where}: {name} is {cell[:_SHOWN]!r}, which is no number, as others in the column are",
        fix=f"correct the table, write n/a where a value is not known, or take it for a category: --option "
        f"categorical={name}",
        about=where,
    )
