"""Splits by group: a subject's samples are all in one split, whichever other subjects there are.

A group's split follows from the seed and the group's name alone: a keyed hash of both is a number from 0 to 1, and the
fractions cut that range. So whatever is added to a dataset, or made of it by another task, moves no group that was
there; the price is that shares come out near the fractions, not at them, and that few groups may leave a split empty.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from penstock.errors import ConfigError
from penstock.manifest import SPLITS

__all__ = ["SplitRule", "check_fractions", "nearest_seed", "split_rule"]

# Any key is as good as another; with this one the seed 0 fills every split with the demo's first three subjects.
_KEY = "split-13896"
SEEDS_TRIED = 2000


def check_fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    """Give the fractions of train, valid and test.

    Raises:
        ConfigError: they are not three numbers from 0 to 1 that add up to 1, with some to train on.
    """
    if len(fractions) != len(SPLITS) or any(not 0 <= part <= 1 for part in fractions):
        raise ConfigError(f"{fractions} are not three fractions", fix="write them like 0.8,0.1,0.1")
    if abs(sum(fractions) - 1) > 1e-6 or fractions[0] == 0:
        raise ConfigError(
            f"the split {fractions} does not add up to 1 with a part to train on", fix="write it like 0.8,0.1,0.1"
        )
    train, valid, test = fractions
    return train, valid, test


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitRule:
    """Which split a group belongs to, by the group's rank: a keyed hash of its name, from 0 to 2**64 - 1.

    Attributes:
        names: of the splits that have groups.
        ends: rank at which each split but the last ends, ascending.
    """

    seed: int
    names: tuple[str, ...]
    ends: tuple[int, ...]

    def __call__(self, group: str) -> str:
        """Give a group's split."""
        return self.names[bisect_right(self.ends, _rank(self.seed, group))]


def split_rule(*, fractions: Sequence[float], seed: int) -> SplitRule:
    """Cut the ranks that groups may have at the fractions, whatever groups there are.

    Raises:
        ConfigError: the fractions are wrong.
    """
    wanted = check_fractions(fractions)
    names = tuple(name for name, part in zip(SPLITS, wanted, strict=True) if part > 0)
    ends = [*accumulate(part for part in wanted if part > 0)][:-1]
    return SplitRule(seed=seed, names=names, ends=tuple(int(end * 2**64) for end in ends))


def nearest_seed(accepts: Callable[[SplitRule], bool], *, fractions: Sequence[float], seed: int) -> int | None:
    """Give the seed nearest to ``seed`` whose rule is accepted; None where none of some thousands is."""
    for distance in range(SEEDS_TRIED):
        for near in {seed + distance, seed - distance}:
            if near >= 0 and accepts(split_rule(fractions=fractions, seed=near)):
                return near
    return None


@lru_cache(maxsize=1024)  # a group's samples come one after the other, or nearly so
def _rank(seed: int, group: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{_KEY}/{seed}/{group}".encode()).digest()[:8])
