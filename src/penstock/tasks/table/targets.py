"""What is to be predicted: classes of text or of few whole numbers, or a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.tasks.table.columns import as_numbers, as_text, kind_of, told_kind

__all__ = ["MAX_CLASSES", "PREDICT", "Predict", "Targets"]

Predict = Literal["auto", "class", "number"]
PREDICT: Final[tuple[Predict, ...]] = ("auto", "class", "number")
MAX_CLASSES: Final = 1_000
"""Of which the squared number of counts is evaluated and drawn."""
FEW: Final = 20
"""Different whole numbers, up to which they are classes where nobody said what they are."""
_SHOWN: Final = 40
_NO_LABEL: Final = frozenset({"", "n/a", "nan"})
"""Text that is no label. ``none`` and ``NA`` are names that a class may have."""


class Targets:
    """Reads the column of targets, a part of it after the other.

    A part's numbers are preliminary: ``final`` makes targets of them when all were read.

    Args:
        known: classes that there are, none where numbers are predicted; None has them found out.
    """

    def __init__(self, column: str, *, predict: Predict, known: tuple[str, ...] | None = None) -> None:
        self.column = column
        self._known = known
        self._predict = predict
        self._is_text: bool | None = True if predict == "class" else None
        self._names: dict[str, int] = {}
        """Of classes of text, by which comes first."""
        self._whole: set[float] | None = set()
        """Different numbers, while they are few and whole; None where they are not."""
        self.num_missing = 0

    def add(self, column: pa.ChunkedArray, where: Callable[[int], str], *, is_typed: bool) -> NDArray[np.float64]:
        """Return the preliminary targets of some rows, NaN where there is none.

        Args:
            where: names a row.
            is_typed: whether text is text because the column's type says so.

        Raises:
            DataError: there is text where numbers are, or there are too many classes.
        """
        if not kind_of(column.type):
            raise DataError(
                f"{where(0)}: the target {self.column} is of the type {column.type}",
                fix="choose one of numbers or text with --option target=",
            )
        if self._is_text is None:
            self._is_text = self._tells_text(column, is_typed=is_typed)
        found = self._add_text(column) if self._is_text else self._add_numbers(column, where)
        self.num_missing += int(np.isnan(found).sum())
        return found

    @property
    def are_classes(self) -> bool:
        """Whether they are classes, by all that was read."""
        if self._known is not None:
            return bool(self._known)
        if self._predict != "auto":
            return self._predict == "class"
        return bool(self._is_text) or self._whole is not None

    def classes(self) -> tuple[str, ...]:
        """Return the classes' names, numbers in the order of numbers; none where they are numbers to predict.

        Raises:
            DataError: there is one class alone.
        """
        if not self.are_classes:
            return ()
        if self._known is not None:
            return self._known
        whole = sorted(self._whole or ())
        names = sorted(self._names, key=_order) if self._is_text else [f"{number:.15g}" for number in whole]
        if len(names) == 1:
            raise DataError(
                f"the target {self.column} is {names[0]!r} in every row: there is nothing to learn",
                fix="choose another with --option target=",
            )
        return tuple(names)

    def final(self, preliminary: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return targets: numbers, or places among the classes.

        Raises:
            DataError: one is none of the classes that are known.
        """
        if not self.are_classes:
            return preliminary
        known = ~np.isnan(preliminary)
        found = preliminary.copy()
        places = {name: float(place) for place, name in enumerate(self.classes())}
        try:
            if self._is_text:
                by_first = np.array([places[name] for name in self._names])
                found[known] = by_first[preliminary[known].astype(np.int64)]
            else:
                found[known] = [places[f"{number:.15g}"] for number in preliminary[known].tolist()]
        except KeyError as error:
            raise DataError(
                f"the target {self.column} has {error.args[0]!r}, which is none of the {len(places)} classes",
                fix="leave its rows out, or train on data that has it",
            ) from error
        return found

    def _tells_text(self, column: pa.ChunkedArray, *, is_typed: bool) -> bool | None:
        """Tell by its first rows whether the column is of text; None where they say nothing."""
        if pa.types.is_boolean(column.type):
            return self._predict == "auto"
        if self._predict == "number":
            return False
        told = told_kind(column, is_typed=is_typed)
        return told == "text" if told else None

    def _add_text(self, column: pa.ChunkedArray) -> NDArray[np.float64]:
        encoded = as_text(column).dictionary_encode()
        numbers = []
        for name in encoded.dictionary.to_pylist():
            numbers.append(np.nan if name.lower() in _NO_LABEL else self._names.setdefault(name, len(self._names)))
            if len(self._names) > MAX_CLASSES:
                raise self._too_many(list(self._names)[:3])
        found: NDArray[np.float64] = np.array(numbers, np.float64)[encoded.indices.to_numpy()]
        return found

    def _add_numbers(self, column: pa.ChunkedArray, where: Callable[[int], str]) -> NDArray[np.float64]:
        values, wrong = as_numbers(column)
        if wrong is not None:
            cell = str(column[wrong].as_py())[:_SHOWN]
            raise DataError(
                f"{where(wrong)}: the target {self.column} is {cell!r}, which is no number",
                fix="correct the table, or take what is there for classes: --option predict=class",
                about=where(wrong),
            )
        if self._whole is not None:
            known = np.unique(values[~np.isnan(values)])
            self._whole |= set(known.tolist())
            if len(self._whole) > FEW or not (known == np.round(known)).all():
                self._whole = None
        return values

    def _too_many(self, shown: list[str]) -> DataError:
        return DataError(
            f"the target {self.column} has more than {MAX_CLASSES:,} different values, {', '.join(shown)} for some",
            fix="a class is what many rows share: choose another with --option target=, or, where they are numbers, "
            "--option predict=number",
        )


def _order(name: str) -> tuple[bool, int, str]:
    """Sort names as text, numbers as numbers."""
    is_number = name.isascii() and name.isdecimal() and len(name) <= 18
    return not is_number, int(name) if is_number else 0, name
