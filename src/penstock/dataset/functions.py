"""Functions that values go through on their way into a batch; they run in the loading workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from penstock.errors import ConfigError
from penstock.stream.checks import shown
from penstock.stream.epochs import NOTHING, Nothing
from penstock.texts import did_you_mean

__all__ = ["Batched", "Chain", "CollateLeft", "Drop", "Filter", "Keep", "Rename", "change_of", "name_of", "parted"]


_Functions = Sequence[Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Filter:
    """Leaves values out that a function says no to."""

    called: ClassVar[str] = "filter"

    function: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        """Return the value, or what stands for one that is left out."""
        return value if self.function(value) else NOTHING


@dataclass(frozen=True, slots=True)
class Rename:
    """Gives columns of a row other names, in their places."""

    called: ClassVar[str] = "rename"

    names: Mapping[str, str]

    def __call__(self, value: Any) -> dict[str, Any]:
        """Return the row.

        Raises:
            ConfigError: it is no row, lacks a column, or has one of a new name already.
        """
        row = _row(value, self.called, self.names)
        renamed = {self.names.get(name, name): row[name] for name in row}
        if len(renamed) < len(row):
            twice = next(new for old, new in self.names.items() if new in row and new not in self.names and old in row)
            raise ConfigError(
                f"rename gives the name {twice!r} to a column, and there is one of that name",
                fix=f"drop {twice!r} before, or choose another name",
            )
        return renamed


@dataclass(frozen=True, slots=True)
class Drop:
    """Leaves columns of a row out."""

    called: ClassVar[str] = "drop"

    names: tuple[str, ...]

    def __call__(self, value: Any) -> dict[str, Any]:
        """Return the row.

        Raises:
            ConfigError: it is no row, or lacks a column.
        """
        row = _row(value, self.called, self.names)
        return {name: row[name] for name in row if name not in self.names}


@dataclass(frozen=True, slots=True)
class Keep:
    """Leaves all columns of a row out but some, and gives those in their order."""

    called: ClassVar[str] = "select"

    names: tuple[str, ...]

    def __call__(self, value: Any) -> dict[str, Any]:
        """Return the row.

        Raises:
            ConfigError: it is no row, or lacks a column.
        """
        row = _row(value, self.called, self.names)
        return {name: row[name] for name in self.names}


def _row(value: Any, verb: str, names: Mapping[str, str] | Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{verb} of {', '.join(map(repr, names))}: a value has no columns, it is of type {type(value).__name__}",
            fix="make it a dictionary with map first",
        )
    for name in names:
        if name not in value:
            there = [str(each) for each in value]
            near = did_you_mean(name, there)
            more = ", …" if len(there) > 20 else ""
            raise ConfigError(
                f"{verb} of {name!r}: a value has no such column, it has {', '.join(map(repr, there[:20]))}{more}",
                fix=f"{near}rows that lack some are made alike with map",
            )
    return value


@dataclass(frozen=True, slots=True)
class Batched:
    """Makes other values of all values of a batch: as many, or of ``rows`` rows any number."""

    called: ClassVar[str] = "map_batches"

    function: Callable[..., Any]
    has_chance: bool = False
    rows: int | None = None

    def __call__(self, values: list[Any]) -> list[Any]:
        """Return the values.

        Raises:
            ConfigError: they are none, or not as many where they should be.
        """
        given = len(values)
        # Of the batch's own, whoever makes it: the process's generators are seeded for it.
        chance = (np.random.default_rng(np.random.randint(2**63)),) if self.has_chance else ()
        found = self.function(values, *chance)
        made = _rows_of(found) if isinstance(found, Mapping) else _listed(found)
        if made is None:
            raise ConfigError(
                f"map_batches was given a {type(found).__name__}, {shown(found)}, for {given} values",
                fix="return a list with a value for each, or a dictionary of such lists by column",
            )
        if self.rows is None and len(made) != given:
            raise ConfigError(
                f"map_batches was given {len(made)} values for {given}",
                fix="return one for each, in their order; to return another number say by rows= how many rows the "
                "function is given at a time, as in map_batches(function, rows=100)",
            )
        return made


def _listed(made: Any) -> list[Any] | None:
    """Return the items of what has some in an order of their own, such as a list or a tensor; else None."""
    is_array = isinstance(made, np.ndarray | torch.Tensor) and made.ndim > 0
    is_list = isinstance(made, Sequence) and not isinstance(made, str | bytes)
    return list(made) if is_array or is_list else None


def _rows_of(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of columns."""
    lists = {}
    for name, column in columns.items():
        is_plain = isinstance(column, str | bytes | Mapping) or not isinstance(column, Iterable)
        found = None if is_plain or getattr(column, "ndim", 1) == 0 else list(column)
        if found is None:
            raise ConfigError(
                f"map_batches was given {shown(column)} as the column {name!r}",
                fix="return a list with a value for each, also where all are the same",
            )
        lists[name] = found
    lengths = {name: len(column) for name, column in lists.items()}
    if len(set(lengths.values())) > 1:
        raise ConfigError(
            f"map_batches was given columns of several lengths: {shown(lengths)}", fix="return columns of one length"
        )
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A transform that comes behind functions of values."""

    functions: Sequence[Callable[[Any], Any]]
    transform: Callable[[Any, np.random.Generator], Any] | None

    @property
    def called(self) -> str:
        """What the caller calls it, for messages."""
        names = dict.fromkeys(map(name_of, self.functions))
        return " or ".join([*names, *(["transform"] if self.transform is not None else [])])

    def __call__(self, value: Any, rng: np.random.Generator) -> Any:
        """Return what they make of a value, as far as one of them leaves it out."""
        for number, function in enumerate(self.functions):
            try:
                value = function(value)
            except Exception as error:
                _note(error, function, number)
                raise
            if isinstance(value, Nothing):
                return value
        return value if self.transform is None else self.transform(value, rng)


def _note(error: Exception, function: Callable[..., Any], number: int) -> None:
    error.add_note(f"penstock: in the {name_of(function)}, number {number} (from 0) of the dataset's functions")


def name_of(function: Callable[..., Any]) -> str:
    """Return the verb that a function was given to."""
    return str(getattr(type(function), "called", "map"))


@dataclass(frozen=True, slots=True)
class CollateLeft:
    """Makes batches of what is left of them.

    Attributes:
        functions: that a batch goes through first, ``Batched`` and those of values behind it.
        before: how many of the dataset's functions come before them.
        gives_all: whether batches that nothing is left of are made too.
    """

    collate: Callable[[list[Any]], Any]
    functions: Sequence[Callable[..., Any]] = field(default=())
    before: int = 0
    gives_all: bool = False

    def __call__(self, values: list[Any]) -> Any:
        """Return the batch, or what stands for one that nothing is left of."""
        left = [value for value in values if not isinstance(value, Nothing)]
        for number, function in enumerate(self.functions, self.before):
            if not left:
                break
            try:
                found = function(left) if isinstance(function, Batched) else [function(value) for value in left]
            except Exception as error:
                _note(error, function, number)
                raise
            left = [value for value in found if not isinstance(value, Nothing)]
        return self.collate(left) if left or self.gives_all else NOTHING


def parted(
    functions: Sequence[Callable[..., Any]],
) -> tuple[Sequence[Callable[..., Any]], Sequence[Callable[..., Any]]]:
    """Return the functions of values alone, and those from the first of batches on."""
    at = next((at for at, each in enumerate(functions) if isinstance(each, Batched)), len(functions))
    return functions[:at], functions[at:]


def change_of(functions: Sequence[Callable[..., Any]]) -> Callable[[Any], Any] | None:
    """Return what functions make of a value that is in no batch, None where there are none.

    Raises:
        ConfigError: one is of batches.
    """
    if parted(functions)[1]:
        raise ConfigError(
            "the rows of a shard, which are in no batch, with map_batches",
            fix="say by rows= how many rows it is given at a time, open shards of the dataset before it, or use map",
        )
    if not functions:
        return None
    chain, rng = Chain(functions=functions, transform=None), np.random.default_rng(0)
    return lambda value: chain(value, rng)
