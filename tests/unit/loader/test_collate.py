"""Batches in memory that is used again are those that torch makes."""

from __future__ import annotations

import datetime
import pickle
from collections import namedtuple
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.utils.data import default_collate

from penstock.loader.collate import MOST_KINDS, ReusingCollate

Pair = namedtuple("Pair", ["image", "label"])

KINDS = ["?", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "u2", "c8"]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return (
            isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one.isnan(), other.isnan())
        ) and torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))
    if isinstance(one, dict):
        return (
            type(one) is type(other) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        )
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@st.composite
def batches(draw: st.DrawFn) -> list[Any]:
    """Draw values of one structure, whose leaves are of any shape and type that torch has."""
    shape, kind = draw(arrays.array_shapes(min_dims=0, max_dims=3, max_side=3)), draw(st.sampled_from(KINDS))
    form = draw(st.sampled_from(["array", "tensor", "dict", "tuple", "named", "list"]))

    def leaf() -> Any:
        found = draw(arrays.arrays(kind, shape))
        return torch.from_numpy(found) if form == "tensor" else found

    def value() -> Any:
        if form == "dict":
            return {"x": leaf(), "label": draw(st.integers(0, 9)), "name": draw(st.text(max_size=3))}
        if form in ("tuple", "list"):
            pair = (leaf(), draw(st.floats(0, 1)))
            return pair if form == "tuple" else list(pair)
        return Pair(leaf(), draw(st.booleans())) if form == "named" else leaf()

    return [value() for _ in range(draw(st.integers(1, 4)))]


@given(st.lists(batches(), min_size=1, max_size=4))
def test_batches_are_those_of_torch(drawn: list[list[Any]]) -> None:
    collate = ReusingCollate()
    held = [(collate(values), default_collate(values)) for values in drawn]
    assert all(same(one, other) for one, other in held)


@pytest.mark.parametrize(
    "values",
    [
        [np.zeros(2), np.zeros(3)],
        [torch.zeros(2), torch.zeros(3)],
        [np.array(["a"]), np.array(["b"])],
        [None, None],
        [{"a": 1}, {"b": 1}],
        [torch.eye(2).to_sparse()] * 2,
    ],
    ids=["arrays", "tensors", "texts", "none", "keys", "sparse"],
)
def test_what_torch_refuses_is_refused_in_its_words(values: list[Any]) -> None:
    with pytest.raises(Exception) as wanted:
        default_collate(values)
    with pytest.raises(type(wanted.value)) as found:
        ReusingCollate()(values)
    assert str(found.value) == str(wanted.value)


def test_tensors_of_other_kinds_go_by_torch() -> None:
    learnt = torch.ones(2, requires_grad=True)
    for values in (
        [learnt, learnt],
        [torch.zeros(2), torch.zeros(2, dtype=torch.float64)],
    ):
        found, wanted = ReusingCollate()(values), default_collate(values)
        assert (found.dtype, found.requires_grad, found.layout) == (wanted.dtype, wanted.requires_grad, wanted.layout)


def test_each_leaf_has_memory_that_is_used_again() -> None:
    collate = ReusingCollate()
    places = set()
    for number in range(6):
        image, label = collate([(np.full(1000, number), torch.tensor([number, 1]))] * 8)
        places.add((image.data_ptr(), label.data_ptr()))
        del image, label
    assert len(places) == 1
    for side in range(3 * MOST_KINDS):
        collate([np.zeros(side)])
    assert len(collate._memory) <= MOST_KINDS
    assert not pickle.loads(pickle.dumps(collate))._memory


@pytest.mark.parametrize("in_worker", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("2026-11-27T12:00:00.5"),
        np.timedelta64(3, "s"),
        np.timedelta64("NaT"),
        Decimal("1.10"),
        datetime.date(2026, 11, 27),
        datetime.datetime(2026, 11, 27, tzinfo=datetime.UTC),
        datetime.time(1, 2),
        datetime.timedelta(days=1),
        np.array(["2026-11-27"], "M8[D]"),
        np.array([1, 2], "m8[s]"),
    ],
    ids=repr,
)
def test_what_no_tensor_holds_comes_in_lists(value: object, in_worker: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if in_worker:
        monkeypatch.setattr("penstock.loader.collate.get_worker_info", object)
    batch = ReusingCollate()([{"at": value, "y": 1}, {"at": value, "y": 2}])
    assert isinstance(batch["at"], list)
    assert [type(one) for one in batch["at"]] == [type(value)] * 2
    assert all(np.array_equal(one, value) or str(one) == str(value) for one in batch["at"])
    assert batch["y"].tolist() == [1, 2]
