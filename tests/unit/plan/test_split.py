"""Splits: a group is in one split, every split gets its share, and what decides takes bounded memory."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.plan import decide_splits, split_by_rank
from penstock.plan.split import COUNTED_GROUPS
from penstock.records import SPLITS
from penstock.units import MIB

seeds = st.integers(0, 2**32)


def assign(groups: Sequence[str], *, fractions: Sequence[float], seed: int) -> dict[str, str]:
    rule = decide_splits(groups, fractions=fractions, seed=seed)
    return {group: rule(group) for group in groups}


@given(st.sets(st.text(min_size=1, max_size=8), min_size=3, max_size=60), seeds)
def test_every_split_gets_groups_whatever_their_order(groups: set[str], seed: int) -> None:
    assigned = assign(sorted(groups), fractions=(0.8, 0.1, 0.1), seed=seed)
    assert set(assigned.values()) == set(SPLITS)
    assert assigned == assign(sorted(groups, reverse=True) * 2, fractions=(0.8, 0.1, 0.1), seed=seed)


@given(st.sets(st.text(min_size=1, max_size=8), min_size=3, max_size=60), seeds)
def test_groups_are_cut_in_the_order_of_a_keyed_hash(groups: set[str], seed: int) -> None:
    ranked = sorted(groups, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    assigned = assign(sorted(groups), fractions=(0.6, 0.2, 0.2), seed=seed)
    assert [SPLITS.index(assigned[group]) for group in ranked] == sorted(map(SPLITS.index, assigned.values()))


def test_split_counts_follow_the_fractions() -> None:
    assigned = assign([f"sub-{n}" for n in range(100)], fractions=(0.7, 0.1, 0.2), seed=3)
    assert [list(assigned.values()).count(name) for name in SPLITS] == [70, 10, 20]


@pytest.mark.parametrize("fractions", [(1.0, 0.0, 0.0), (0.5, 0.0, 0.5), (0.2, 0.8, 0.0)])
def test_a_split_without_a_fraction_gets_nothing(fractions: tuple[float, ...]) -> None:
    groups = [f"sub-{n}" for n in range(50)]
    wanted = {name for name, part in zip(SPLITS, fractions, strict=True) if part}
    assert set(assign(groups, fractions=fractions, seed=1).values()) == wanted
    assert {split_by_rank(fractions=fractions, seed=1)(group) for group in groups} == wanted


def test_more_groups_than_are_counted_are_split_by_their_ranks_alone() -> None:
    def groups() -> list[str]:
        return [str(number) for number in range(COUNTED_GROUPS + 1)]

    rule = decide_splits(groups(), fractions=(0.8, 0.15, 0.05), seed=7)
    assert rule == split_by_rank(fractions=(0.8, 0.15, 0.05), seed=7)
    counted = Counter(rule(str(number)) for number in range(40_000))
    assert {name: counted[name] / 40_000 for name in SPLITS} == pytest.approx(
        {"train": 0.8, "valid": 0.15, "test": 0.05}, abs=0.01
    )


def test_groups_without_end_take_bounded_memory() -> None:
    tracemalloc.start()
    try:
        decide_splits((str(number) for number in range(2 * COUNTED_GROUPS)), fractions=(0.8, 0.1, 0.1), seed=0)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 64 * MIB


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.5, 0.4, 0.3), (0.0, 0.5, 0.5), (1.5, -0.5, 0.0)])
def test_wrong_fractions_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"0\.8,0\.1,0\.1"):
        decide_splits(["a", "b", "c"], fractions=fractions, seed=0)
    with pytest.raises(ConfigError, match=r"0\.8,0\.1,0\.1"):
        split_by_rank(fractions=fractions, seed=0)


def test_too_few_groups_say_what_to_do() -> None:
    with pytest.raises(ConfigError, match="--split-by sample"):
        decide_splits(["sub-01", "sub-01", "sub-01"], fractions=(0.8, 0.1, 0.1), seed=0)
