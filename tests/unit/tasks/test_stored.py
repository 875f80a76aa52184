"""Values as they are stored: the same come back, and what is damaged is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from penstock.errors import DataError
from penstock.tasks.stored import StoredDecode, codec_of, encode_values

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(), st.text(max_size=5),
    arrays.arrays(
        st.sampled_from(["<f4", "<f8", "<i4", "|u1", "|b1", ">i2"]), arrays.array_shapes(min_dims=0, min_side=0)
    ),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.text(max_size=3), inner, max_size=3), st.tuples(inner, inner), st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)
TASK: Any = SimpleNamespace()
ABOUT: Any = SimpleNamespace(key="sample-1")


def decode(data: bytes, count: int, numbers: list[int] | None = None) -> Any:
    wanted = np.array(range(count) if numbers is None else numbers)
    return StoredDecode(TASK)(memoryview(data), ABOUT, codec_of("finished", "{}"), wanted)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray | np.generic):
        return bool(
            one.dtype == other.dtype and one.shape == other.shape and np.asarray(one).tobytes() == other.tobytes()
        )
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


@given(TREES)
def test_a_tree_comes_back_as_it_was(tree: Any) -> None:
    data = encode_values([tree])
    assert data is not None
    assert same(tree, decode(data, 1)[0])
    assert data == encode_values([tree])


def test_samples_of_an_extent_come_back_by_their_numbers() -> None:
    ragged = [{"inputs": np.arange(size, dtype=np.int32), "bytes": size} for size in (3, 0, 7)]
    stacked = [(np.full((2, 3), each, np.float32), None if each else 1.5) for each in range(3)]
    for values in (ragged, stacked):
        data = encode_values(values, ["a", "b", "c"])
        assert data is not None
        found = decode(data, 3, [0, 2])
        assert same([values[0], values[2]], list(found))
        assert [found.key_of(at) for at in range(2)] == ["a", "c"]


@pytest.mark.parametrize("values", [
    [b"bytes"], [{"a": memoryview(b"x")}], [object()], [np.array([object()])], [{1: 2}], [{"a": 1}, {"b": 1}], [2**70],
    [np.zeros(2, [("a", "i4")])], [np.zeros(2, "f4"), np.zeros(2, "f8")], [],
])  # fmt: skip
def test_what_is_no_tree_of_arrays_is_not_stored_as_one(values: list[Any]) -> None:
    assert encode_values(values) is None


@given(st.data())
def test_damage_is_told(data: st.DataObject) -> None:
    whole = encode_values([{"inputs": np.arange(50, dtype=np.float32), "targets": 1}])
    assert whole is not None
    at = data.draw(st.integers(8, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    for bad in (bytes(damaged), whole[: data.draw(st.integers(0, len(whole) - 1))], b"", whole + b"x"):
        with pytest.raises(DataError, match="sample-1 is no whole stored sample"):
            decode(bad, 1)
