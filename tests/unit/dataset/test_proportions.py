from __future__ import annotations

import numpy as np
import pytest

from penstock.dataset.proportions import Draws, epoch_counts, rounds
from penstock.dataset.structure import structure_of
from penstock.errors import ConfigError


@pytest.mark.parametrize(
    ("sizes", "shares", "stop", "counts"),
    [
        ([100, 100], [0.7, 0.3], "first", [100, 43]),
        ([100, 100], [0.7, 0.3], "all", [233, 100]),
        ([1000, 10], [0.5, 0.5], "first", [10, 10]),
        ([1000, 10], [0.5, 0.5], "all", [1000, 1000]),
        ([10, 10, 10], [0.2, 0.3, 0.5], "first", [4, 6, 10]),
        ([1, 10**6], [0.999, 0.001], "first", [1, 1]),
    ],
)
def test_an_epoch_has_of_each_member_what_its_weight_says(
    sizes: list[int], shares: list[float], stop: str, counts: list[int]
) -> None:
    found = epoch_counts(sizes, shares, stop=stop)  # type: ignore[arg-type]
    assert found == counts
    for count, size in zip(found, sizes, strict=True):
        assert count <= size if stop == "first" else count >= size
        assert size * rounds(count, size) >= count


def test_draws_are_a_function_of_seed_epoch_and_place() -> None:
    draws = Draws([300, 700], seed=3, epoch=1)
    whole = draws(0, 2000)
    assert np.bincount(whole).tolist() == [300, 700]
    assert np.concatenate([draws(at, 7) for at in range(0, 1000, 7)]).tolist() == whole.tolist()
    halves = [np.bincount(half, minlength=2)[0] for half in (whole[:500], whole[500:])]
    assert all(110 < count < 190 for count in halves)
    assert Draws([300, 700], seed=3, epoch=2)(0, 2000).tolist() != whole.tolist()
    assert Draws([300, 700], seed=4, epoch=1)(0, 2000).tolist() != whole.tolist()


def test_structures_tell_values_apart_that_cannot_be_collated_together() -> None:
    array = np.zeros((2, 3), np.float32)
    values = [
        array,
        array[0],
        array.astype(int),
        {"a": array},
        {"b": array},
        (array, 1),
        (array, 1.5),
        (array,),
        "x",
        b"x",
    ]
    assert len({structure_of(value) for value in values}) == len(values)
    assert (
        structure_of({"b": 1, "a": np.float32(2)}) == structure_of({"a": 3.0, "b": np.int64(4)}) == "{a: float, b: int}"
    )


def test_an_epoch_that_has_no_end_is_refused() -> None:
    assert epoch_counts([10**4, 10**4], [1e-9, 1 - 1e-9], stop="first")[0] == 1
    with pytest.raises(ConfigError, match=r"an epoch of the mix has 1e.13 samples"):
        epoch_counts([10**4, 10**4], [1e-9, 1 - 1e-9], stop="all")
