"""Memory that is read to is used again when nobody refers to what lay there, and never before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from penstock.window.read_memory import MOST_PIECES, MOST_SMALL_BYTES, PIECE_BYTES, ReadMemory


def address(place: memoryview) -> int:
    return int(np.frombuffer(place, np.uint8).ctypes.data)


def test_memory_that_nobody_refers_to_is_used_again() -> None:
    memory = ReadMemory()
    seen = {address(memory.take(MOST_SMALL_BYTES)) for _ in range(100 * PIECE_BYTES // MOST_SMALL_BYTES)}
    assert len(seen) <= 2 * PIECE_BYTES // MOST_SMALL_BYTES


KINDS: dict[str, Callable[[memoryview], Any]] = {
    "view": lambda place: place,
    "slice": lambda place: place[:1],
    "read-only": lambda place: place.toreadonly(),
    "cast": lambda place: place.cast("b").cast("B"),
    "array": lambda place: np.frombuffer(place, np.uint8),
    "converted": lambda place: np.asarray(place)[:],
    "array made of it": lambda place: np.ndarray((len(place),), np.uint8, place),
    "view of an array made of it": lambda place: np.ndarray((len(place),), np.int8, place.toreadonly()).view(np.uint8)[
        :
    ],
    "record array": lambda place: np.recarray((len(place),), [("a", "u1")], buf=place),
    "array of an array": lambda place: np.ndarray((len(place),), np.uint8, np.frombuffer(place, np.uint8)),
    "tensor": lambda place: torch.frombuffer(place, dtype=torch.uint8)[:].numpy(),
    "tensor of an array": lambda place: torch.from_numpy(np.ndarray((len(place),), np.uint8, place)).view(-1).numpy(),
    "Arrow": lambda place: pa.py_buffer(place).slice(0),
}


@pytest.mark.parametrize("size", [1, 5_000, 65_536, MOST_SMALL_BYTES, MOST_SMALL_BYTES + 1])
@pytest.mark.parametrize("kind", list(KINDS))
def test_what_somebody_refers_to_stays_as_it_is(size: int, kind: str) -> None:
    memory, held = ReadMemory(), []
    for number in range(2 * MOST_PIECES * PIECE_BYTES // max(size, 60_000)):
        place = memory.take(size)
        assert len(place) == size
        place[:] = bytes([number % 251]) * size
        kept = KINDS[kind](place)
        held.append((number % 251, kept))
    assert all(bytes(kept) == bytes([number]) * len(kept) for number, kept in held)
