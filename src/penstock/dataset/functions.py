"""Functions that values go through on their way into a batch; they run in the loading workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.stream.epochs import NOTHING, Nothing

__all__ = ["Chain", "CollateLeft", "Filter"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Leaves values out that a function says no to."""

    function: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        """Return the value, or what stands for one that is left out."""
        return value if self.function(value) else NOTHING


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A transform that comes behind functions of values."""

    functions: Sequence[Callable[[Any], Any]]
    transform: Callable[[Any, np.random.Generator], Any] | None

    @property
    def called(self) -> str:
        """What the caller calls it, for messages."""
        names = dict.fromkeys(map(_called, self.functions))
        return " or ".join([*names, *(["transform"] if self.transform is not None else [])])

    def __call__(self, value: Any, rng: np.random.Generator) -> Any:
        """Return what they make of a value, as far as one of them leaves it out."""
        for number, function in enumerate(self.functions):
            try:
                value = function(value)
            except Exception as error:
                error.add_note(
                    f"penstock: in the {_called(function)}, number {number} (from 0) of the dataset's functions"
                )
                raise
            if isinstance(value, Nothing):
                return value
        return value if self.transform is None else self.transform(value, rng)


def _called(function: Callable[[Any], Any]) -> str:
    return "filter" if isinstance(function, Filter) else "map"


@dataclass(frozen=True, slots=True)
class CollateLeft:
    """Makes batches of what is left of them."""

    collate: Callable[[list[Any]], Any]

    def __call__(self, values: list[Any]) -> Any:
        """Return the batch, or what stands for one that nothing is left of."""
        left = [value for value in values if not isinstance(value, Nothing)]
        return self.collate(left) if left else NOTHING
