"""Parts of a split that are read several times each before the next."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.plan import (
    choose_repeat,
    node_order,
    parts_from,
    rank_batches,
    rows_between,
    rows_in_order,
    turn_at,
    turn_end,
    window_extents,
)
from penstock.records import BlockShuffle, Order, Repeat, Segment, Shuffle

SHUFFLES = st.sampled_from(["full", "none", BlockShuffle(block_samples=3, blocks_mixed=2)])
SIZES = {"num_rows": st.integers(1, 60), "part": st.integers(1, 70), "passes": st.integers(2, 5)}


def made_order(
    num_rows: int, part: int, passes: int, *, seed: int = 0, shuffle: Shuffle = "full", num_valid: int = 7
) -> Order:
    repeat = Repeat(part_extents=part, passes=passes)
    train = Segment(
        split="train",
        first_row=0,
        num_extents=num_rows * passes,
        num_samples=num_rows * passes,
        shuffle=shuffle,
        mix=1,
        repeat=repeat,
    )
    valid = Segment(
        split="valid", first_row=num_rows, num_extents=num_valid, num_samples=num_valid, shuffle="none", mix=1
    )
    return Order(segments=(train, valid) if num_valid else (train,), seed=seed)


@given(**SIZES, seed=st.integers(0, 99), epoch=st.integers(0, 3), shuffle=SHUFFLES)
def test_each_part_comes_whole_so_many_times_before_the_next(
    num_rows: int, part: int, passes: int, seed: int, epoch: int, shuffle: Shuffle
) -> None:
    order = made_order(num_rows, part, passes, seed=seed, shuffle=shuffle)
    rows = rows_in_order(order.segments[0], seed=seed, epoch=epoch)
    assert Counter(rows.tolist()) == dict.fromkeys(range(num_rows), passes)
    at, seen = 0, []
    while at < len(rows):
        number = int(rows[at]) // part
        whole = set(range(number * part, min(num_rows, (number + 1) * part)))
        for _ in range(passes):
            assert set(rows[at : at + len(whole)].tolist()) == whole
            at += len(whole)
        seen.append(number)
    assert sorted(seen) == list(range(-(-num_rows // part)))


@given(**SIZES, first=st.integers(0, 300), count=st.integers(0, 200), shuffle=SHUFFLES)
def test_any_range_is_computed_on_its_own(
    num_rows: int, part: int, passes: int, first: int, count: int, shuffle: Shuffle
) -> None:
    order = made_order(num_rows, part, passes, shuffle=shuffle)
    assert rows_between(order, first, first + count).tolist() == rows_between(order, 0, first + count)[first:].tolist()


def test_passes_and_epochs_are_shuffled_anew() -> None:
    order = made_order(40, 20, 3)
    epochs = [rows_in_order(order.segments[0], seed=0, epoch=epoch).reshape(6, 20) for epoch in range(6)]
    passes = [tuple(one) for epoch in epochs for one in epoch]
    assert len(set(passes)) == len(passes)
    assert len({int(epoch[0, 0]) // 20 for epoch in epochs}) == 2  # the parts are in another order now and then
    unshuffled = made_order(40, 20, 3, shuffle="none")
    assert rows_in_order(unshuffled.segments[0], seed=0, epoch=1).tolist() == [*range(20)] * 3 + [*range(20, 40)] * 3


@given(**SIZES, world=st.sampled_from([1, 2, 4]), at=st.integers(0, 40))
def test_another_number_of_ranks_goes_on_with_the_same_samples(
    num_rows: int, part: int, passes: int, world: int, at: int
) -> None:
    """From any batch of eight on, eight samples a step are the same ones, whoever reads them."""
    order, end = made_order(num_rows, part, passes, num_valid=0), num_rows * passes

    def steps(world_size: int, first: int) -> list[list[int]]:
        asked = {"first_index": first, "end_index": end, "batch_size": 8 // world_size, "num_lanes": 8}
        ranks = [rank_batches(order, **asked, rank=rank, world_size=world_size) for rank in range(world_size)]
        return [sorted(np.concatenate([one.indices for one in step]).tolist()) for step in zip(*ranks, strict=True)]

    first = min(at * 8, end - end % 8)
    found = steps(world, first)
    assert found[: end // 8] == steps(1, first)[: len(found)][: end // 8]


@given(**SIZES, world=st.integers(1, 4), epochs=st.integers(1, 3))
def test_a_node_knows_where_its_parts_and_passes_end(
    num_rows: int, part: int, passes: int, world: int, epochs: int
) -> None:
    whole = made_order(num_rows, part, passes)
    for rank in range(world):
        order = node_order(whole, first_rank=rank, num_ranks=1, world_size=world)
        end = window_extents(order) * epochs
        rows = rows_between(order, 0, end)
        for index in range(end):
            stop = min(end, turn_end(order, index))
            assert stop > index
            assert len(set(rows[index:stop].tolist())) == stop - index  # none comes twice
        first = 0
        for found in parts_from(order, 0):
            if found.first_index >= end:
                break
            assert found.first_index >= first
            mine = rows[found.first_index : found.end_index]
            assert ((mine >= found.first_row) & (mine < found.end_row)).all()
            first = found.end_index
            assert next(parts_from(order, found.first_index)) == found
            assert next(parts_from(order, found.end_index - 1)) == found
            assert next(parts_from(order, found.end_index)).number > found.number


def test_a_turn_is_told_for_each_time_that_an_extent_is_read() -> None:
    order = made_order(10, 4, 3)
    rows = rows_between(order, 0, 2 * 37)
    turns: dict[int, list[int]] = {}
    for index, row in enumerate(rows.tolist()):
        turns.setdefault(row, []).append(turn_at(order, index))
    assert all(turns[row] == [0, 1, 2, 3, 4, 5] for row in range(10))
    assert all(turns[row] == [0, 1] for row in range(10, 17))


def test_parts_are_chosen_by_their_bytes() -> None:
    assert choose_repeat(passes=1, part_bytes=1 << 20, mean_extent_bytes=1 << 10) is None
    assert choose_repeat(passes=3, part_bytes=1 << 20, mean_extent_bytes=1 << 10) == Repeat(part_extents=1024, passes=3)
    assert choose_repeat(passes=2, part_bytes=1, mean_extent_bytes=1 << 30) == Repeat(part_extents=1, passes=2)
    with pytest.raises(ConfigError, match="read 70000 times each"):
        choose_repeat(passes=70_000, part_bytes=1, mean_extent_bytes=1)


def test_a_segment_that_repeats_nothing_is_written_as_before() -> None:
    segment = Segment(split="train", first_row=0, num_extents=3, num_samples=3, shuffle="full", mix=1)
    assert b"repeat" not in msgspec.json.encode(segment)
    assert (segment.num_rows, segment.num_passes) == (3, 1)
