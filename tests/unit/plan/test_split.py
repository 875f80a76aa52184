"""Splits: a group is in one split, which neither other groups nor other tasks have a say in."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.manifest import SPLITS
from penstock.plan import SplitRule, nearest_seed, split_rule

THIRDS = (0.4, 0.3, 0.3)


def test_the_split_of_a_name_is_pinned() -> None:
    rule = split_rule(fractions=(0.7, 0.15, 0.15), seed=0)
    assert [rule(f"sub-NDARDEMO00{i}") for i in range(1, 7)] == ["test", "train", "valid", "train", "train", "train"]


@given(st.integers(0, 2**32), st.text())
def test_more_training_data_moves_groups_into_training_alone(seed: int, group: str) -> None:
    splits = [split_rule(fractions=f, seed=seed)(group) for f in ((0.5, 0.25, 0.25), (0.6, 0.2, 0.2), (0.8, 0.1, 0.1))]
    if splits[0] == "train":
        assert splits == ["train"] * 3


def test_shares_come_out_near_the_fractions() -> None:
    rule = split_rule(fractions=(0.8, 0.15, 0.05), seed=7)
    counted = Counter(rule(str(number)) for number in range(40_000))
    assert {name: counted[name] / 40_000 for name in SPLITS} == pytest.approx(
        {"train": 0.8, "valid": 0.15, "test": 0.05}, abs=0.01
    )


@pytest.mark.parametrize("fractions", [(1.0, 0.0, 0.0), (0.5, 0.0, 0.5), (0.2, 0.8, 0.0)])
def test_a_split_without_a_fraction_gets_nothing(fractions: tuple[float, ...]) -> None:
    wanted = {name for name, part in zip(SPLITS, fractions, strict=True) if part}
    assert {split_rule(fractions=fractions, seed=1)(f"sub-{n}") for n in range(50)} == wanted


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.5, 0.4, 0.3), (0.0, 0.5, 0.5), (1.5, -0.5, 0.0)])
def test_wrong_fractions_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"0\.8,0\.1,0\.1"):
        split_rule(fractions=fractions, seed=0)


@given(st.sets(st.text(min_size=1, max_size=8), min_size=3, max_size=9), st.integers(0, 50))
def test_the_nearest_seed_that_fills_every_split_is_found(groups: set[str], seed: int) -> None:
    def fills(rule: SplitRule) -> bool:
        return {rule(group) for group in groups} == set(SPLITS)

    found = nearest_seed(fills, fractions=THIRDS, seed=seed)
    assert found is not None
    assert fills(split_rule(fractions=THIRDS, seed=found))
    nearer = range(max(0, seed - abs(found - seed) + 1), seed + abs(found - seed))
    assert not any(fills(split_rule(fractions=THIRDS, seed=candidate)) for candidate in nearer)


def test_what_no_seed_fulfils_has_none() -> None:
    assert nearest_seed(lambda rule: False, fractions=THIRDS, seed=3) is None
