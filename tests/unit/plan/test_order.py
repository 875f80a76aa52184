from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.plan import Permutation, rank_batches, rows_between, stream_rows
from penstock.records import BlockShuffle, Order, Segment, Shuffle

sizes = st.integers(1, 3000)
seeds = st.integers(0, 2**63)


def make_order(num_train: int, num_valid: int, seed: int, *, shuffle: Shuffle = "full") -> Order:
    train = Segment(split="train", first_row=0, num_extents=num_train, num_samples=num_train, shuffle=shuffle, mix=1)
    valid = Segment(
        split="valid", first_row=num_train, num_extents=num_valid, num_samples=num_valid, shuffle="none", mix=1
    )
    return Order(segments=(train, valid), seed=seed)


@given(sizes, seeds, st.integers(0, 5))
def test_permutation_gives_every_value_once(size: int, seed: int, epoch: int) -> None:
    values = Permutation(size, seed=seed, epoch=epoch)(np.arange(size))
    assert sorted(values.tolist()) == list(range(size))


@given(seeds)
def test_permutation_of_a_position_does_not_depend_on_the_others(seed: int) -> None:
    permute = Permutation(1000, seed=seed, epoch=3)
    assert permute(np.array([137]))[0] == permute(np.arange(1000))[137]


def test_permutation_of_a_billion_samples_is_computed_on_its_own() -> None:
    values = Permutation(10**9, seed=1, epoch=0)(np.arange(10**9 - 1000, 10**9))
    assert values.max() < 10**9
    assert len(set(values.tolist())) == 1000


def test_permutation_shuffles_evenly() -> None:
    """Each value is at each position about equally often (chi-squared, 15 degrees of freedom)."""
    counts = np.zeros((16, 16))
    for epoch in range(4000):
        counts[np.arange(16), Permutation(16, seed=7, epoch=epoch)(np.arange(16))] += 1
    expected = 4000 / 16
    chi_squared = ((counts - expected) ** 2 / expected).sum(axis=1)
    assert chi_squared.mean() < 20


shuffles = st.sampled_from(["full", "none"]) | st.builds(
    BlockShuffle, block_samples=st.integers(1, 40), blocks_mixed=st.integers(1, 10)
)


@given(st.integers(1, 200), st.integers(1, 50), seeds, shuffles, st.data())
def test_stream_can_be_entered_anywhere(
    num_train: int, num_valid: int, seed: int, shuffle: Shuffle, data: st.DataObject
) -> None:
    order = make_order(num_train, num_valid, seed, shuffle=shuffle)
    whole = list(stream_rows(order, 0, 3 * order.num_samples))
    assert [index for index, _ in whole] == list(range(3 * order.num_samples))
    for epoch in range(3):
        rows = [row for _, row in whole[epoch * order.num_samples : (epoch + 1) * order.num_samples]]
        assert sorted(rows[:num_train]) == list(range(num_train))
        assert rows[num_train:] == list(range(num_train, num_train + num_valid))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    assert list(stream_rows(order, start, end)) == whole[start:end]
    assert list(enumerate(rows_between(order, start, end).tolist(), start)) == whole[start:end]


@given(st.integers(1, 300), st.integers(1, 40), st.sampled_from([1, 2, 4, 8]), st.integers(1, 16))
def test_ranks_share_each_batch_whatever_the_world_size(
    num_train: int, num_valid: int, world_size: int, batch_size: int
) -> None:
    order = make_order(num_train, num_valid, seed=1)
    ranks = [
        list(
            rank_batches(
                order,
                first_index=0,
                end_index=order.num_samples,
                batch_size=batch_size,
                num_lanes=8,
                rank=rank,
                world_size=world_size,
            )
        )
        for rank in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    given_indices = [index for batches in ranks for batch in batches for index in batch.indices.tolist()]
    assert len(given_indices) == len(set(given_indices))
    if world_size == 1:
        assert given_indices == list(range(order.num_samples))
    for batch in ranks[0]:
        assert (batch.indices < batch.next_index).all()


def test_world_size_that_does_not_divide_the_lanes_is_refused() -> None:
    order = make_order(10, 1, seed=0)
    with pytest.raises(ConfigError, match="3 ranks cannot share 8 lanes"):
        list(rank_batches(order, first_index=0, end_index=11, batch_size=1, num_lanes=8, world_size=3))
