"""Decoding of one array a sample, by functions that tests write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.loader import Decoding
from penstock.loader.collate import ReusingCollate
from penstock.loader.samples import named_decoding
from penstock.manifest import Described, Extent, sample_of

MakeArray = Callable[..., Any]
"""``(data, *, decode, args, rng)`` to an array, as bytes, codec, arguments and chance of one sample."""


@dataclass(frozen=True)
class _Bytes:
    def __call__(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        sample = sample_of(about, 0)
        return [(data, codec, sample.args, nan if sample.target is None else sample.target)]


@dataclass(frozen=True)
class _Array:
    make: MakeArray

    def __call__(self, value: Any, rng: np.random.Generator | None) -> dict[str, Any]:
        data, codec, args, target = value
        return {"inputs": self.make(data, decode=codec, args=args, rng=rng), "targets": target}


def array_decoding(make: MakeArray) -> Decoding:
    """Return a decoding to batches of arrays and targets."""
    return named_decoding(_Bytes(), transform=_Array(make), collate=ReusingCollate())


def decoded_inputs(task: Any, data: Any, extent: Extent, rng: np.random.Generator | None = None) -> Any:
    """Return what a network is given of an extent of one sample."""
    (value,) = task.decode(data, extent, extent.codec, np.zeros(1, np.int64))
    return task.transform(value, rng)["inputs"]
