"""Memory that is read to is used again when nobody refers to what lay there, and never before."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.window.read_memory import MOST_PIECES, MOST_SMALL_BYTES, PIECE_BYTES, ReadMemory


def address(place: memoryview) -> int:
    return int(np.frombuffer(place, np.uint8).ctypes.data)


def test_memory_that_nobody_refers_to_is_used_again() -> None:
    memory = ReadMemory()
    seen = {address(memory.take(MOST_SMALL_BYTES)) for _ in range(100 * PIECE_BYTES // MOST_SMALL_BYTES)}
    assert len(seen) <= 2 * PIECE_BYTES // MOST_SMALL_BYTES


@pytest.mark.parametrize("size", [1, 5_000, 65_536, MOST_SMALL_BYTES, MOST_SMALL_BYTES + 1])
@pytest.mark.parametrize("kind", ["view", "slice", "read-only", "array"])
def test_what_somebody_refers_to_stays_as_it_is(size: int, kind: str) -> None:
    memory, held = ReadMemory(), []
    for number in range(2 * MOST_PIECES * PIECE_BYTES // max(size, 60_000)):
        place = memory.take(size)
        assert len(place) == size
        place[:] = bytes([number % 251]) * size
        kept = {
            "view": lambda place: place,
            "slice": lambda place: place[:1],
            "read-only": lambda place: place.toreadonly(),
            "array": lambda place: np.frombuffer(place, np.uint8),
        }[kind](place)
        held.append((number % 251, kept))
    assert all(bytes(kept) == bytes([number]) * len(kept) for number, kept in held)
