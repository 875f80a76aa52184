"""How bytes become batches: one kind of decoder, transform and collate for every dataset, task and format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.formats.protocols import Decoder
from penstock.manifest import Described, sample_key

__all__ = ["ByKey", "Decoding", "Transform"]

Transform = Callable[[Any, "np.random.Generator | None"], Any]  # its module takes 10 ms
"""Makes another value of a sample's one, with random numbers of its own; None where samples are not trained on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoding:
    """What is done with the bytes of extents, in whatever process; it goes to loading workers.

    Attributes:
        decode: makes values of an extent's bytes; of one sample, they may be views of the bytes.
        takes_path: ``decode`` is given the path of a file that holds the bytes, instead of them; the file is gone
            when it returns.
        transform: makes another value of a sample's, with random numbers of its own.
        collate: makes a batch of the values; it must not hold on to them.
        is_pure: whether all of them draw from nothing but the generator that ``transform`` is given. Batches are then
            made beside the training loop, and random numbers are of seed and stream index. Else they are of seed,
            epoch and key, and the process's generators are seeded by them and put back.
        stand_in: what ``collate`` is given in the place of a sample that is left out; None leaves its place out too.
    """

    decode: Decoder
    collate: Callable[[list[Any]], Any]
    takes_path: bool = False
    transform: Transform | None = None
    is_pure: bool = False
    stand_in: Any = None


@dataclass(frozen=True, slots=True)
class ByKey:
    """A decoder of extents of one sample, by a function of their bytes, or of a file's path, and the sample's key."""

    decode: Callable[[Any, str], Any]

    def __call__(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the one value."""
        return (self.decode(data, sample_key(about, 0)),)
