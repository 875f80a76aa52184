"""Samples of extents that hold many: each once an epoch, a rank's beside one another, whatever is asked for first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.plan.mixing import Mix, check_mixed_lanes

LANES = st.sampled_from([1, 2, 6, 8, 64])
COUNTS = st.lists(st.integers(1, 40), min_size=1, max_size=40).map(lambda counts: np.array(counts, np.int64))


def mix_of(counts: np.ndarray, *, mix: int, lanes: int, seed: int = 0, epoch: int = 0, shuffled: bool = True) -> Mix:
    return Mix(counts, mix=mix, num_lanes=lanes, seed=seed, epoch=epoch, is_shuffled=shuffled)


def all_of(mixed: Mix) -> list[tuple[int, int]]:
    """Return the extent and the n-th of each position."""
    found: list[tuple[int, int]] = []
    for group, positions in mixed.groups_of(np.arange(mixed.num_samples)):
        extents, numbers = group.locate(positions)
        assert ((group.first_extent <= extents) & (extents < group.end_extent)).all()
        found += zip(extents.tolist(), numbers.tolist(), strict=True)
    return found


@given(COUNTS, st.integers(1, 50), LANES, st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_every_sample_is_at_one_position(
    counts: np.ndarray, mix: int, lanes: int, seed: int, epoch: int, shuffled: bool
) -> None:
    found = all_of(mix_of(counts, mix=mix, lanes=lanes, seed=seed, epoch=epoch, shuffled=shuffled))
    expected = [(extent, number) for extent, count in enumerate(counts) for number in range(count)]
    assert sorted(found) == expected
    assert shuffled or found == expected


@given(COUNTS, st.integers(1, 50), LANES, st.data())
def test_any_positions_are_what_they_are_in_the_whole(
    counts: np.ndarray, mix: int, lanes: int, data: st.DataObject
) -> None:
    mixed = mix_of(counts, mix=mix, lanes=lanes)
    whole = all_of(mixed)
    some = sorted(data.draw(st.sets(st.integers(0, len(whole) - 1), max_size=20)))
    found = []
    for group, positions in mix_of(counts, mix=mix, lanes=lanes).groups_of(np.array(some, np.int64)):
        found += zip(*(each.tolist() for each in group.locate(positions)), strict=True)
    assert found == [whole[position] for position in some]


@given(COUNTS, st.integers(1, 50), LANES, st.data())
def test_ranks_are_given_everything_once_and_share_few_extents(
    counts: np.ndarray, mix: int, lanes: int, data: st.DataObject
) -> None:
    mixed = mix_of(counts, mix=mix, lanes=lanes)
    world_size = data.draw(st.sampled_from([number for number in (1, 2, 4, 8, 16) if lanes % number == 0]))
    whole = all_of(mixed)
    position = 0
    while position < len(whole):
        group = mixed.group_at(position)
        parts = [group.wanted(rank, world_size) for rank in range(world_size)]
        for rank, mine in enumerate(parts):
            expected = whole[group.first_position : group.first_position + group.num_samples]
            places = range(group.first_position, group.first_position + group.num_samples)
            asked = sorted(
                where for place, where in zip(places, expected, strict=True) if place % lanes % world_size == rank
            )
            assert [(part.extent, number) for part in mine for number in part.numbers.tolist()] == asked
        # A rank's share is cut from the next one's within an extent at most.
        opened = sum(len(mine) for mine in parts)
        assert opened <= group.end_extent - group.first_extent + world_size - 1
        position = group.first_position + group.num_samples


def test_equal_extents_are_of_one_rank_each() -> None:
    mixed = mix_of(np.full(32, 100), mix=8, lanes=64)
    for number in range(4):
        group = mixed.group_at(number * 800)
        owners = [part.extent for rank in range(4) for part in group.wanted(rank, 4)]
        assert sorted(owners) == list(range(8 * number, 8 * number + 8))


def test_epochs_seeds_and_groups_differ() -> None:
    counts = np.full(16, 50)
    orders = {
        tuple(all_of(mix_of(counts, mix=8, lanes=8, seed=seed, epoch=epoch))) for seed in (0, 1) for epoch in (0, 1)
    }
    assert len(orders) == 4
    one, other = (all_of(mix_of(counts, mix=8, lanes=8))[start : start + 400] for start in (0, 400))
    assert [(extent + 8, number) for extent, number in one] != other


def test_a_batch_has_samples_of_all_extents_that_are_open() -> None:
    found = all_of(mix_of(np.full(8, 1000), mix=8, lanes=64))
    for first in range(0, 8000, 800):
        extents, counts = np.unique([extent for extent, _ in found[first : first + 64]], return_counts=True)
        assert len(extents) == 8
        assert counts.min() >= 4


@pytest.mark.parametrize("num_lanes", [1 << 17, 2**31 - 1])
def test_too_many_lanes_are_refused(num_lanes: int) -> None:
    with pytest.raises(ConfigError, match="lanes are too many for extents of several samples"):
        check_mixed_lanes(num_lanes)


def test_few_samples_on_many_lanes_are_shuffled_all_the_same() -> None:
    """Each lane has one or none then, so that only which one it has can be drawn."""
    seen = {
        tuple(
            Mix(np.array([50]), mix=4, num_lanes=240, seed=0, epoch=epoch, is_shuffled=True)
            .group_at(0)
            .locate(np.arange(50))[1]
            .tolist()
        )
        for epoch in range(50)
    }
    assert len(seen) == 50
    first_places = {order.index(0) for order in seen}
    assert len(first_places) > 20
