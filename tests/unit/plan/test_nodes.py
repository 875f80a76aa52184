"""What each node's window holds: together what the world reads, apart from one another, in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.plan import node_order, rank_batches, rows_between, stream_indices, window_extents, window_indices
from penstock.records import Order, Segment

EPOCHS = 2

orders = st.builds(
    lambda num_train, num_valid, seed: Order(
        segments=(
            Segment(split="train", first_row=0, num_extents=num_train, num_samples=num_train, shuffle="full", mix=1),
            Segment(
                split="valid", first_row=num_train, num_extents=num_valid, num_samples=num_valid, shuffle="none", mix=1
            ),
        ),
        seed=seed,
    ),
    st.integers(8, 200),
    st.integers(8, 40),
    st.integers(0, 2**63),
)


@st.composite
def layouts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Return the ``(first rank, ranks)`` of the nodes of a world of 1, 2, 4 or 8."""
    world_size = draw(st.sampled_from([1, 2, 4, 8]))
    borders = sorted(draw(st.sets(st.integers(1, world_size - 1)))) if world_size > 1 else []
    return list(zip([0, *borders], np.diff([0, *borders, world_size]).tolist(), strict=True))


def nodes_of(order: Order, layout: list[tuple[int, int]]) -> list[Order]:
    world_size = sum(ranks for _, ranks in layout)
    return [node_order(order, first_rank=first, num_ranks=ranks, world_size=world_size) for first, ranks in layout]


@given(orders, layouts())
def test_nodes_hold_everything_once_and_in_order(order: Order, layout: list[tuple[int, int]]) -> None:
    everything = []
    for node in nodes_of(order, layout):
        held = stream_indices(node, np.arange(EPOCHS * window_extents(node)))
        assert (np.diff(held) > 0).all()
        assert (window_indices(node, held) == np.arange(len(held))).all()
        rows = rows_between(order, 0, EPOCHS * order.num_samples)
        assert (rows_between(node, 0, len(held)) == rows[held]).all()
        everything += held.tolist()
    assert sorted(everything) == list(range(EPOCHS * order.num_samples))


@given(orders, layouts(), st.integers(1, 12), st.data())
def test_a_window_holds_what_its_ranks_are_given(
    order: Order, layout: list[tuple[int, int]], batch_size: int, data: st.DataObject
) -> None:
    """From any place that a checkpoint may hold on, and however the ranks are spread over nodes."""
    world_size = sum(ranks for _, ranks in layout)
    end = EPOCHS * order.num_samples

    def batches(rank: int, first_index: int) -> list[tuple[list[int], int]]:
        found = rank_batches(
            order,
            first_index=first_index,
            end_index=end,
            batch_size=batch_size,
            num_lanes=8,
            rank=rank,
            world_size=world_size,
        )
        return [(batch.indices.tolist(), batch.next_index) for batch in found]

    places = [0, *(next_index for _, next_index in batches(0, 0))]
    start = data.draw(st.sampled_from(places))
    by_rank = [[index for indices, _ in batches(rank, start) for index in indices] for rank in range(world_size)]
    left_out = set(range(start, end)) - {index for indices in by_rank for index in indices}
    for node, (first, ranks) in zip(nodes_of(order, layout), layout, strict=True):
        first_held, end_held = window_indices(node, [start, end]).tolist()
        held = set(stream_indices(node, np.arange(first_held, end_held)).tolist())
        wanted = {index for indices in by_rank[first : first + ranks] for index in indices}
        # What is held and given to nobody is the end of a segment, with fewer samples than there are ranks.
        assert wanted <= held <= wanted | left_out
        assert len(left_out) < 2 * EPOCHS * world_size
        for indices, next_index in batches(first, start):
            numbers = window_indices(node, indices)
            assert (stream_indices(node, numbers) == indices).all()
            assert numbers.max(initial=-1) < window_indices(node, next_index)


@given(orders, layouts(), st.data())
def test_any_range_of_a_node_is_computed_on_its_own(
    order: Order, layout: list[tuple[int, int]], data: st.DataObject
) -> None:
    node = data.draw(st.sampled_from(nodes_of(order, layout)))
    whole = rows_between(node, 0, EPOCHS * window_extents(node))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    assert rows_between(node, start, end).tolist() == whole[start:end].tolist()


@given(orders, st.sampled_from([1, 2, 8]))
def test_one_window_for_all_is_one_stream_whatever_their_number(order: Order, world_size: int) -> None:
    assert node_order(order, first_rank=0, num_ranks=world_size, world_size=world_size) == order
    indices = np.arange(3 * order.num_samples)
    assert (window_indices(order, indices) == indices).all()
    assert (stream_indices(order, indices) == indices).all()


@pytest.mark.parametrize(("first", "ranks", "world"), [(0, 3, 2), (2, 1, 2), (-1, 1, 2), (0, 0, 1), (1, 2, 2)])
def test_ranks_that_are_not_there_are_refused(first: int, ranks: int, world: int) -> None:
    order = Order(segments=(), seed=0)
    with pytest.raises(ConfigError, match=f"{ranks} rank.* from rank {first} on, of {world}"):
        node_order(order, first_rank=first, num_ranks=ranks, world_size=world)
