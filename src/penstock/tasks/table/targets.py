"""What is to be predicted: classes of text or of few whole numbers, or a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.group_text import merged, whole_text
from penstock.tasks.table.columns import as_numbers, as_text, kind_of, told_kind
from penstock.tasks.table.whole import name_of, whole_numbers

__all__ = ["MAX_CLASSES", "PREDICT", "Predict", "Preliminary", "Targets"]

Predict = Literal["auto", "class", "number"]
PREDICT: Final[tuple[Predict, ...]] = ("auto", "class", "number")
MAX_CLASSES: Final = 1_000
"""Of which the squared number of counts is evaluated and drawn."""
FEW: Final = 20
"""Different whole numbers, up to which they are classes where nobody said what they are."""
_SHOWN: Final = 40
_NO_LABEL: Final = frozenset({"", "n/a", "nan"})
"""Text that is no label. ``none`` and ``NA`` are names that a class may have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preliminary:
    """Some rows' targets, before all were read.

    Attributes:
        values: NaN where there is none, shape (rows,).
        are_places: whether they are places among what was found so far, by what came first.
    """

    values: NDArray[np.float64]
    are_places: bool


class Targets:
    """Reads the column of targets, a part of it after the other.

    What a part has is preliminary: ``final`` makes targets of it when all were read.

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
        self._whole: dict[int, int] = {}
        """Of whole numbers, by which comes first, as long as they are few and all are whole."""
        self._may_be_classes = bool(known) if known is not None else predict == "auto"
        self.num_missing = 0

    def add(self, column: pa.ChunkedArray, where: Callable[[int], str], *, is_typed: bool) -> Preliminary:
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
        self.num_missing += int(np.isnan(found.values).sum())
        return found

    @property
    def are_classes(self) -> bool:
        """Whether they are classes, by all that was read."""
        if self._known is not None:
            return bool(self._known)
        if self._predict != "auto":
            return self._predict == "class"
        return bool(self._is_text) or self._may_be_classes

    def classes(self) -> tuple[str, ...]:
        """Return the classes' names, numbers in the order of numbers; none where they are numbers to predict.

        Raises:
            DataError: there is one class alone.
        """
        if not self.are_classes:
            return ()
        if self._known is not None:
            return self._known
        names = (
            sorted(set(merged(self._names).values()), key=_order)
            if self._is_text
            else [name_of(number) for number in sorted(self._whole)]
        )
        if len(names) == 1:
            raise DataError(
                f"the target {self.column} is {names[0]!r} in every row that has one: there is nothing to learn",
                fix="choose another with --option target=",
            )
        return tuple(names)

    def final(self, read: Preliminary) -> NDArray[np.float64]:
        """Return targets: numbers, or places among the classes.

        Raises:
            DataError: one is none of the classes that are known.
        """
        if not read.are_places:
            return read.values
        found = read.values.copy()
        known = ~np.isnan(found)
        by_first: list[float]
        if self.are_classes:
            places = {name: float(place) for place, name in enumerate(self.classes())}
            names = list(self._names) if self._is_text else [name_of(number) for number in self._whole]
            if self._is_text:
                by_name = merged(self._names) if self._known is None else _known_as(self._known, self._names)
                names = [by_name[name] for name in names]
            wrong = next((name for name in names if name not in places), None)
            if wrong is not None:
                raise self._unknown(wrong)
            by_first = [places[name] for name in names]
        else:
            by_first = [float(number) for number in self._whole]
        found[known] = np.array(by_first)[found[known].astype(np.int64)]
        return found

    def _tells_text(self, column: pa.ChunkedArray, *, is_typed: bool) -> bool | None:
        """Tell by its first rows whether the column is of text; None where they say nothing."""
        if pa.types.is_boolean(column.type):
            return self._predict == "auto"
        if self._predict == "number":
            return False
        told = told_kind(column, is_typed=is_typed)
        return told == "text" if told else None

    def _add_text(self, column: pa.ChunkedArray) -> Preliminary:
        encoded = as_text(column).dictionary_encode()
        numbers = []
        for name in encoded.dictionary.to_pylist():
            numbers.append(np.nan if name.lower() in _NO_LABEL else self._names.setdefault(name, len(self._names)))
            if len(self._names) > MAX_CLASSES:
                raise self._too_many(list(self._names)[:3])
        return Preliminary(values=np.array(numbers, np.float64)[encoded.indices.to_numpy()], are_places=True)

    def _add_numbers(self, column: pa.ChunkedArray, where: Callable[[int], str]) -> Preliminary:
        values, wrong = as_numbers(column)
        if wrong is not None:
            cell = str(column[wrong].as_py())[:_SHOWN]
            raise DataError(
                f"{where(wrong)}: the target {self.column} is {cell!r}, which is no number",
                fix="correct the table, or take what is there for classes: --option predict=class",
                about=where(wrong),
            )
        places = self._places(column, values) if self._may_be_classes else None
        return Preliminary(values=values if places is None else places, are_places=places is not None)

    def _places(self, column: pa.ChunkedArray, values: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return places among whole numbers, NaN where there is none; None where the column is not of classes."""
        most = FEW if self._known is None else MAX_CLASSES
        found = whole_numbers(column, values, most=most)
        together = {**self._whole}
        for number in found[0] if found is not None else ():
            together.setdefault(number, len(together))
        if found is None or len(together) > most:
            if self._known is not None:
                raise self._unknown(self._not_known(values, together))
            self._may_be_classes = False
            return None
        self._whole = together
        places = np.full(len(values), np.nan)
        places[~np.isnan(values)] = np.array([together[number] for number in found[0]], np.float64)[found[1]]
        return places

    def _not_known(self, values: NDArray[np.float64], whole: Iterable[int]) -> str:
        names = [*map(name_of, whole), *(name_of(value) for value in np.unique(values[~np.isnan(values)]).tolist())]
        return next((name for name in names if name not in (self._known or ())), "another number")

    def _unknown(self, name: str) -> DataError:
        return DataError(
            f"the target {self.column} has {name!r}, which is none of the {len(self._known or ())} classes",
            fix="leave its rows out, or train on data that has it",
        )

    def _too_many(self, shown: list[str]) -> DataError:
        return DataError(
            f"the target {self.column} has more than {MAX_CLASSES:,} different values, {', '.join(shown)} for some",
            fix="a class is what many rows share: choose another with --option target=, or, where they are numbers, "
            "--option predict=number",
        )


def _known_as(known: Sequence[str], names: Iterable[str]) -> dict[str, str]:
    """Return the class of each text among those that are known, which may be written in another way; else itself."""
    by_value = {whole_text(name): name for name in known}
    return {name: name if name in known else by_value.get(whole_text(name), name) for name in names}


def _order(name: str) -> tuple[bool, int, str]:
    """Sort names as text, numbers as numbers."""
    is_number = name.isascii() and name.isdecimal() and len(name) <= 40
    return not is_number, int(name) if is_number else 0, name
