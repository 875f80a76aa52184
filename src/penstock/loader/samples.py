"""Batches of samples with their names, as a training loop takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Protocol, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.protocols import Decoder
from penstock.loader.decoding import Decoding, Transform
from penstock.loader.protocols import Batch
from penstock.manifest import Described, sample_key

__all__ = ["KnowsKeys", "named_decoding"]

INPUTS = "inputs"


def named_decoding(
    decode: Decoder, *, transform: Transform | None, collate: Callable[[list[Any]], Mapping[str, Any]]
) -> Decoding:
    """Return what makes ``Batch`` es of values that are mappings with ``inputs``.

    Args:
        decode: draws from no generator.
        transform: is given None for samples that are not trained on; draws from nothing but what it is given.
        collate: makes a mapping of them.
    """
    return Decoding(
        decode=_Decode(decode),
        transform=None if transform is None else _Transform(transform),
        collate=_Collate(collate),
        is_pure=True,
    )


@runtime_checkable
class KnowsKeys(Protocol):
    """Values that know better than their extent what people call each."""

    def key_of(self, at: int) -> str:
        """Return the name of one; the empty text where nothing is known."""
        ...


@dataclass(frozen=True, slots=True)
class _Named:
    """A value with its sample's key and group."""

    key: str
    group: str
    value: Any


@dataclass(frozen=True, slots=True)
class _NamedValues(Sequence[_Named]):
    """Values of an extent, each made when it is asked for if it is one that is."""

    values: Sequence[Any]
    about: Described
    numbers: NDArray[np.int64]
    key_of: Callable[[int], str] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, at: int) -> _Named: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[_Named]: ...

    def __getitem__(self, at: int | slice) -> _Named | Sequence[_Named]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        number, about = int(self.numbers[at]), self.about
        group = about.groups[number] if about.groups else about.group
        key = self.key_of(at) if self.key_of is not None else ""
        return _Named(key or sample_key(about, number), group, self.values[at])


@dataclass(frozen=True, slots=True)
class _Decode:
    decode: Decoder

    def __call__(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        values = self.decode(data, about, codec, numbers)
        return _NamedValues(values, about, numbers, values.key_of if isinstance(values, KnowsKeys) else None)


@dataclass(frozen=True, slots=True)
class _Transform:
    transform: Transform

    def __call__(self, named: _Named, rng: np.random.Generator | None) -> _Named:
        return _Named(named.key, named.group, self.transform(named.value, rng))


def _known(value: Any) -> Any:
    """Return a value whose target is NaN where it is None, as a manifest has it."""
    if isinstance(value, dict) and value.get("targets", 0.0) is None:
        return {**value, "targets": nan}
    return value


@dataclass(frozen=True, slots=True)
class _Collate:
    collate: Callable[[list[Any]], Mapping[str, Any]]

    def __call__(self, named: list[_Named]) -> Batch:
        """Return the batch.

        Raises:
            DataError: the values do not go together, or have no inputs.
        """
        keys = tuple(each.key for each in named)
        values = [_known(each.value) for each in named]
        try:
            data = self.collate(values)
        except (TypeError, ValueError, RuntimeError, LookupError) as error:
            raise DataError(
                f"the samples of a batch do not go together, {keys[0]} and {len(keys) - 1} more "
                f"({' '.join(str(error).split())[:200]})",
                fix="let the task decode all to values of one shape and type, or give it a collate of its own",
                about=keys[0],
            ) from error
        if not isinstance(data, Mapping) or INPUTS not in data:
            told = f"the names {', '.join(map(str, data))}" if isinstance(data, Mapping) else f"a {type(data).__name__}"
            raise DataError(
                f"a batch is {told}, without {INPUTS!r}, which the network is given",
                fix=f"let the task decode each sample to a dictionary with {INPUTS!r}, and whatever else is needed",
                about=keys[0],
            )
        return Batch(data=data, keys=keys, groups=tuple(each.group for each in named))
