from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.dataset.mixed_epochs import MixEpochs
from penstock.dataset.proportions import Limit, Rule, Turns, epoch_quotas, rounds, settled, units
from penstock.dataset.structure import structure_of
from penstock.dataset.weights import Weighed, weight_of
from penstock.errors import ConfigError


def counts_of(
    sizes: list[int], shares: list[float], stop: Any, samples: int | None = None, limits: list[Limit] | None = None
) -> list[int]:
    rule = Rule(stop=stop, samples=samples)
    return [quota.count for quota in epoch_quotas(sizes, shares, rule=rule, limits=limits or [Limit() for _ in sizes])]


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
    found = counts_of(sizes, shares, stop)
    assert found == counts
    for count, size in zip(found, sizes, strict=True):
        assert count <= size if stop == "first" else count >= size
        assert size * rounds(count, size) >= count


@pytest.mark.parametrize(
    ("stop", "samples", "limits", "counts"),
    [
        ("once", None, {}, [1000, 10, 40]),
        ("once", None, {"most_samples": 30}, [30, 10, 30]),
        ("all", None, {"most_epochs": 3}, [1000, 30, 120]),
        ("all", None, {"most_samples": 500}, [500, 250, 250]),
        ("first", None, {"most_samples": 4}, [4, 2, 2]),
        ("repeat", 100, {}, [50, 25, 25]),
        ("repeat", 10**6, {"most_epochs": 1}, [1000, 10, 40]),
        ("repeat", 100, {"most_epochs": 1}, [60, 10, 30]),
        ("repeat", 7, {}, [3, 2, 2]),
    ],
)
def test_rules_and_limits_say_how_many(
    stop: str, samples: int | None, limits: dict[str, int], counts: list[int]
) -> None:
    found = counts_of([1000, 10, 40], [0.5, 0.25, 0.25], stop, samples, [Limit(**limits) for _ in range(3)])
    assert found == counts


@st.composite
def mixes(draw: st.DrawFn) -> tuple[MixEpochs, int]:
    """A mix of any members, weights, rules, limits and schedules, and the most ranks that can share it."""
    number = draw(st.integers(2, 5))
    sizes = tuple(draw(st.lists(st.integers(7, 80), min_size=number, max_size=number)))
    stop = draw(st.sampled_from(["first", "all", "once", "repeat"]))
    weights = st.floats(0.05, 1) | st.builds(lambda a, b: {0: a, 2: b}, st.floats(0.05, 1), st.floats(0.05, 1))
    weighed = Weighed(
        members=(None,) * number,
        weights=tuple(weight_of(draw(weights)) for _ in range(number)) if draw(st.booleans()) else None,
        temperature=draw(st.sampled_from([1.0, 2.0])),
    )
    limits = [
        Limit(most_samples=draw(st.none() | st.integers(5, 60)), most_epochs=draw(st.none() | st.integers(1, 3)))
        for _ in range(number)
    ]
    rule = Rule(stop=stop, samples=draw(st.integers(150, 400)) if stop == "repeat" else None)
    return MixEpochs(weighed=weighed, rule=rule, limits=limits, seed=draw(st.integers(0, 9)), sizes=sizes), 7


@settings(deadline=None, max_examples=150)
@given(found=mixes(), epoch=st.integers(0, 4), world_size=st.integers(1, 4), at=st.integers(0, 200))
def test_the_order_is_a_function_of_what_was_given(
    found: tuple[MixEpochs, int], epoch: int, world_size: int, at: int
) -> None:
    mix, _ = found
    whole = list(mix.turns(epoch, [0] * len(mix.sizes), world_size=world_size))
    begun = mix.turns(epoch, [0] * len(mix.sizes), world_size=world_size)
    assert begun.left == len(whole)
    first = list(islice(begun, at))
    gone_on = mix.turns(epoch, list(begun.given), world_size=world_size)
    assert gone_on.left == len(whole) - len(first)
    assert first + list(gone_on) == whole
    for number, (quota, start, size) in enumerate(zip(mix.quotas(epoch), mix.starts(epoch), mix.sizes, strict=True)):
        mine = [position for member, position in whole if member == number]
        assert len(mine) == units(0, start=start, count=quota.count, size=size, world_size=world_size)
        assert all(each + world_size <= other for each, other in pairwise(mine))
        assert all(position // size == (position + world_size - 1) // size for position in mine)
        assert all(start <= position <= start + quota.count - world_size for position in mine)


@settings(deadline=None, max_examples=150)
@given(
    found=mixes(),
    epoch=st.integers(0, 4),
    runs=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 60)), min_size=1, max_size=6),
)
def test_each_sample_comes_once_whatever_ranks_go_on(
    found: tuple[MixEpochs, int], epoch: int, runs: list[tuple[int, int]]
) -> None:
    mix, most = found
    passed = [0] * len(mix.sizes)
    taken: list[set[int]] = [set() for _ in mix.sizes]
    for world_size, number in [*runs, (1, 10**6)]:
        turns = mix.turns(epoch, passed, world_size=world_size)
        for member, position in islice(turns, number):
            positions = range(position, position + world_size)
            assert not taken[member].intersection(positions)
            taken[member].update(positions)
    for quota, start, size, mine in zip(mix.quotas(epoch), mix.starts(epoch), mix.sizes, taken, strict=True):
        lost = set(range(start, start + quota.count)) - mine
        assert mine <= set(range(start, start + quota.count))
        assert len(lost) <= (most - 1) * (quota.count // size + 2)
        # What is given to none lies at the ends of the member's own epochs.
        assert all(size - position % size < most for position in lost)


@settings(deadline=None, max_examples=150)
@given(found=mixes(), epoch=st.integers(0, 4))
def test_a_member_is_never_far_from_its_share(found: tuple[MixEpochs, int], epoch: int) -> None:
    mix, _ = found
    quotas = mix.quotas(epoch)
    least = min(quota.end for quota in quotas)
    total = sum(quota.count / quota.end for quota in quotas)
    counts = np.zeros(len(quotas))
    for number, (member, _) in enumerate(mix.turns(epoch, [0] * len(quotas), world_size=1), 1):
        counts[member] += 1
        if number / total >= least * 0.9 - len(quotas) / total:
            break  # members drop out from here on
        for count, quota in zip(counts, quotas, strict=True):
            share = quota.count / quota.end / total
            assert abs(count - number * share) <= 1 + share * (len(quotas) - 2) + 1e-9


def test_members_begin_where_epochs_before_left_them() -> None:
    weights = (weight_of({0: 1, 2: 0, 3: 3}), weight_of(1))
    weighed = Weighed(members=(None, None), weights=weights, temperature=1.0)
    limits, sizes = [Limit(), Limit()], (10, 20)
    fresh = MixEpochs(weighed=weighed, rule=Rule(stop="all"), limits=limits, seed=0, sizes=sizes)
    assert [[quota.count for quota in fresh.quotas(epoch)] for epoch in range(4)] == [
        [20, 20],
        [20, 20],
        [0, 20],
        [60, 20],
    ]
    assert [fresh.starts(epoch) for epoch in range(5)] == [[0, 0], [20, 20], [40, 40], [40, 60], [100, 80]]
    on = MixEpochs(weighed=weighed, rule=Rule(stop="repeat", samples=8), limits=limits, seed=0, sizes=sizes)
    assert [on.starts(epoch) for epoch in range(6)] == [[0, 0], [4, 4], [8, 8], [8, 16], [14, 18], [20, 20]]
    turns = on.turns(2, [0, 0], world_size=1)
    assert [member for member, _ in turns] == [1] * 8


def test_shares_of_sizes_temperatures_and_mixes_within() -> None:
    by_size = Weighed(members=(None, None), weights=None, temperature=1.0)
    assert by_size.shares([100, 300], 0) == [0.25, 0.75]
    warm = Weighed(members=(None, None), weights=None, temperature=2.0)
    assert warm.shares([100, 400], 0) == pytest.approx([1 / 3, 2 / 3])
    around = Weighed(members=(by_size, None), weights=(weight_of(3), weight_of({0: 1, 4: 3})), temperature=1.0)
    assert around.epochs == (0, 4)
    assert around.shares([100, 300, 7], 3) == pytest.approx([0.1875, 0.5625, 0.25])
    assert around.shares([100, 300, 7], 9) == pytest.approx([0.125, 0.375, 0.5])
    off = Weighed(members=(by_size, None), weights=(weight_of({0: 0}), weight_of(1)), temperature=1.0)
    assert off.shares([100, 300, 7], 0) == [0, 0, 1]
    with pytest.raises(ConfigError, match="no member of the mix has a weight in epoch 0"):
        Weighed(members=(None,), weights=(weight_of({0: 0}),), temperature=1.0).shares([1], 0)


def test_turns_are_a_function_of_seed_and_epoch() -> None:
    def members(seed: int, epoch: int) -> list[int]:
        quotas = epoch_quotas([300, 700], [0.3, 0.7], rule=Rule(stop="first"), limits=[Limit(), Limit()])
        turns = Turns(quotas, [0, 0], starts=[0, 0], sizes=[300, 700], world_size=1, seed=seed, epoch=epoch)
        return [member for member, _ in turns]

    whole = members(3, 1)
    assert np.bincount(whole).tolist() == [300, 700]
    assert all(149 <= half.count(0) <= 151 for half in (whole[:500], whole[500:]))
    assert len({tuple(each) for each in (whole, members(3, 2), members(4, 1), members(3, 1))}) == 3


def test_where_a_member_goes_on() -> None:
    assert [settled(at, size=10, world_size=3) for at in (0, 7, 8, 9, 10, 18)] == [0, 7, 10, 10, 10, 20]


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
    assert counts_of([10**4, 10**4], [1e-9, 1 - 1e-9], "first")[0] == 1
    with pytest.raises(ConfigError, match=r"an epoch of the mix has 1e.13 samples"):
        counts_of([10**4, 10**4], [1e-9, 1 - 1e-9], "all")


def test_an_epoch_that_has_none_of_a_member_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"an epoch of 10 samples of the mix has none of member 1 .*of share 0.001"):
        counts_of([100, 100], [0.999, 0.001], "repeat", 10)
