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

    def __call__(self, value: Any, rng: np.random.Generator) -> Any:
        """Return what they make of a value, as far as one of them leaves it out."""
        for function in self.functions:
            value = function(value)
            if isinstance(value, Nothing):
                return value
        return value if self.transform is None else self.transform(value, rng)


@dataclass(frozen=True, slots=True)
class CollateLeft:
    """Makes batches of what is left of them."""

    collate: Callable[[list[Any]], Any]

    def __call__(self, values: list[Any]) -> Any:
        """Return the batch, or what stands for one that nothing is left of."""
        left = [value for value in values if not isinstance(value, Nothing)]
        return self.collate(left) if left else NOTHING
