"""Block shuffle: every row once, near its neighbours, another order each epoch, the same wherever it is computed."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.plan import BlockPermutation, check_shuffle, choose_blocks
from penstock.records import BlockShuffle

sizes = st.integers(1, 2000)
blocks = st.integers(1, 300)
groups = st.integers(1, 60)
seeds = st.integers(0, 2**63)


def permute(size: int, block: int, mixed: int, *, seed: int = 0, epoch: int = 0) -> NDArray[np.int64]:
    order = BlockPermutation(size, block_samples=block, blocks_mixed=mixed, seed=seed, epoch=epoch)
    return order(np.arange(size))


@given(sizes, blocks, groups, seeds, st.integers(0, 9))
@example(size=1, block=1, mixed=1, seed=0, epoch=0)
@example(size=100, block=300, mixed=60, seed=0, epoch=0)
@example(size=97, block=10, mixed=10, seed=0, epoch=0)
@example(size=90, block=10, mixed=4, seed=0, epoch=0)
def test_every_row_comes_once(size: int, block: int, mixed: int, seed: int, epoch: int) -> None:
    values = permute(size, block, mixed, seed=seed, epoch=epoch)
    assert sorted(values.tolist()) == list(range(size))


@given(sizes, blocks, groups, seeds)
def test_a_group_takes_its_rows_from_no_more_blocks_than_are_mixed(
    size: int, block: int, mixed: int, seed: int
) -> None:
    """Groups are consecutive, of ``block * mixed`` positions but for the one with the short block and the last."""
    values = permute(size, block, mixed, seed=seed)
    of_block = (values // block).tolist()
    position, sizes_of_groups = 0, []
    while position < size:
        members: set[int] = set()
        start = position
        rows = 0
        while position < size and (of_block[position] in members or len(members) < mixed or position - start < rows):
            members.add(of_block[position])
            position += 1
            rows = sum(min(block, size - number * block) for number in members)
        # Whole blocks: what a group begins it ends.
        assert position - start == rows
        sizes_of_groups.append(rows)
    assert sum(sizes_of_groups) == size
    assert sum(length != block * mixed for length in sizes_of_groups) <= 2


@given(sizes, blocks, groups, seeds, st.data())
def test_any_range_is_computed_on_its_own(size: int, block: int, mixed: int, seed: int, data: st.DataObject) -> None:
    order = BlockPermutation(size, block_samples=block, blocks_mixed=mixed, seed=seed, epoch=2)
    whole = order(np.arange(size))
    start = data.draw(st.integers(0, size))
    end = data.draw(st.integers(start, size))
    assert order(np.arange(start, end)).tolist() == whole[start:end].tolist()
    chosen = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=5)), dtype=np.int64)
    assert order(chosen).tolist() == whole[chosen].tolist()


def test_seed_and_epoch_decide_the_order() -> None:
    first = permute(1000, 10, 5, seed=3, epoch=1)
    assert (first == permute(1000, 10, 5, seed=3, epoch=1)).all()
    for seed, epoch in [(3, 2), (4, 1)]:
        other = permute(1000, 10, 5, seed=seed, epoch=epoch)
        assert (other != first).mean() > 0.9
        # Blocks come in another order, and samples of a block in another one too.
        assert (other // 10 != first // 10).mean() > 0.8


def test_groups_are_mixed_each_in_its_own_way() -> None:
    """With one block a group, the order inside it is what is seen: hardly two are alike."""
    inside = permute(64 * 100, 64, 1).reshape(100, 64) % 64
    assert len({tuple(row) for row in inside.tolist()}) == 100
    assert abs(np.corrcoef(inside)[np.triu_indices(100, 1)]).mean() < 0.15


@pytest.mark.parametrize(("size", "block", "mixed"), [(32, 4, 2), (30, 4, 2)])
def test_every_row_is_anywhere_about_equally_often(size: int, block: int, mixed: int) -> None:
    """Chi-squared of (row, position), over epochs: no row has a place of its own.

    Rows of the short block are in each part of the epoch too, though not at every position: groups begin at multiples
    of their size before it, so it cannot be at the end of one.
    """
    epochs = 1000
    counts = np.zeros((size, size))
    for epoch in range(epochs):
        counts[np.arange(size), permute(size, block, mixed, epoch=epoch)] += 1
    whole = size - size % block
    expected = epochs / size
    chi_squared = ((counts[:, :whole] - expected) ** 2 / expected).sum(axis=0) / (size - 1)
    assert chi_squared.mean() < 1.15
    for quarter in np.array_split(counts[:, whole:], 4):
        assert (quarter.sum(axis=0) > epochs / 8).all()


def test_a_billion_samples_take_no_memory() -> None:
    tracemalloc.start()
    order = BlockPermutation(10**9 + 7, block_samples=64, blocks_mixed=32, seed=1, epoch=0)
    values = order(np.arange(10**9 - 1000, 10**9 + 7))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1_000_000
    assert values.min() >= 0
    assert values.max() < 10**9 + 7
    assert len(set(values.tolist())) == 1007


@pytest.mark.parametrize(("block", "mixed"), [(0, 1), (1, 0), (-1, 4), (1 << 20, 1 << 20)])
def test_blocks_that_cannot_be_shuffled_are_refused(block: int, mixed: int) -> None:
    with pytest.raises(ConfigError, match=f"blocks of {block} samples, {mixed} of them mixed"):
        check_shuffle(BlockShuffle(block_samples=block, blocks_mixed=mixed))


@pytest.mark.parametrize(
    ("given_values", "expected"),
    [
        ({"mean_sample_bytes": 4096.0}, (16, 32)),
        ({"mean_sample_bytes": 65536.0}, (4, 8)),
        ({"mean_sample_bytes": 10e6}, (1, 2)),
        ({"mean_sample_bytes": 0.0}, (65536, 32)),
        ({"mean_sample_bytes": 4096.0, "block_samples": 256}, (256, 2)),
        ({"mean_sample_bytes": 4096.0, "block_samples": 100_000}, (100_000, 2)),
        ({"mean_sample_bytes": 4096.0, "blocks_mixed": 5}, (16, 5)),
    ],
)
def test_what_is_left_open_follows_from_the_size_of_a_sample(
    given_values: dict[str, Any], expected: tuple[int, int]
) -> None:
    chosen = choose_blocks(**given_values)
    assert (chosen.block_samples, chosen.blocks_mixed) == expected
