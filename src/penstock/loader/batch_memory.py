"""Memory that batches lie in, used again once nobody holds the batch that lay there before.

Fresh memory of 8 MiB takes 2,048 page faults, half of what making a batch of it costs.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["BatchMemory"]

MOST_KEPT = 8
"""Pieces; a batch that finds all of them held lies in memory of its own."""


class BatchMemory:
    """Gives tensors for batches; a copy of it, such as that of a loading worker, begins with nothing."""

    def __init__(self) -> None:
        self._pieces: list[tuple[NDArray[np.uint8], weakref.ref[NDArray[Any]] | None]] = []

    def __reduce__(self) -> tuple[type[BatchMemory], tuple[()]]:
        return BatchMemory, ()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> torch.Tensor:
        """Return a tensor, its values whatever lay there; its memory is its own for as long as anything refers to it.

        Args:
            shape: of the tensor.
            dtype: of its values, one that torch has too.
        """
        size_bytes = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if not size_bytes:
            return torch.from_numpy(np.empty(shape, dtype))
        self._pieces = [piece for piece in self._pieces if _is_held(piece[1]) or len(piece[0]) >= size_bytes]
        at = next((at for at, piece in enumerate(self._pieces) if not _is_held(piece[1])), len(self._pieces))
        if at == len(self._pieces):
            self._pieces.append((np.empty(size_bytes, np.uint8), None))
        piece = self._pieces[at][0]
        # torch holds on to the array that it was given, so that is what tells whether the memory is in use.
        given = piece[:size_bytes].view(dtype).reshape(shape)
        self._pieces[at] = piece, weakref.ref(given)
        if len(self._pieces) > MOST_KEPT:
            del self._pieces[0]
        return torch.from_numpy(given)


def _is_held(given: weakref.ref[NDArray[Any]] | None) -> bool:
    return given is not None and given() is not None
