"""Memory of batches: never given twice at a time, and given again."""

from __future__ import annotations

import pickle

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from penstock.loader.batch_memory import MOST_KEPT, BatchMemory

F32 = np.dtype(np.float32)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["f4", "u1", "i8"]), st.integers(0, 3), st.booleans()), max_size=60
    )
)
def test_what_is_held_is_never_overwritten(steps: list[tuple[int, str, int, bool]]) -> None:
    memory, held = BatchMemory(), []
    for number, (rows, kind, dropped, as_view) in enumerate(steps):
        tensor = memory.empty((rows, 3), np.dtype(kind))
        assert tuple(tensor.shape) == (rows, 3)
        tensor.fill_(number)
        # A part of it, or an array over it, holds the memory as well as the tensor itself.
        held.append((number, tensor[1:].numpy() if as_view else tensor.view(-1)[1:]))
        del tensor
        for _ in range(min(dropped, len(held))):
            held.pop(number % len(held))
        assert all((np.asarray(values) == expected).all() for expected, values in held)


def test_memory_is_used_again() -> None:
    memory = BatchMemory()
    places = set()
    for rows in (64, 64, 7, 64, 64):
        places.add(memory.empty((rows, 1000), F32).data_ptr())
    assert len(places) == 1


def test_memory_that_is_too_small_is_let_go() -> None:
    memory = BatchMemory()
    memory.empty((1, 10), F32)
    assert memory.empty((2, 10), F32).numel() == 20


def test_more_batches_than_are_kept() -> None:
    memory = BatchMemory()
    held = [memory.empty((5,), F32).fill_(number) for number in range(3 * MOST_KEPT)]
    assert [int(tensor[0]) for tensor in held] == list(range(3 * MOST_KEPT))


def test_a_tensor_that_moved_to_shared_memory_gives_its_memory_back() -> None:
    memory = BatchMemory()
    first = memory.empty((1000,), F32)
    place = first.data_ptr()
    first.fill_(1).share_memory_()
    second = memory.empty((1000,), F32).fill_(2)
    assert second.data_ptr() == place
    assert torch.equal(first, torch.ones(1000))


def test_a_copy_begins_with_nothing() -> None:
    memory = BatchMemory()
    kept = memory.empty((10,), F32).fill_(1)
    assert pickle.loads(pickle.dumps(memory)).empty((10,), F32).data_ptr() != kept.data_ptr()
