"""Splits by group: a subject's samples are all in one split, whichever other subjects there are.

A group's split follows from the seed and the group's name alone: a keyed hash of both is a number from 0 to 1, and the
fractions cut that range. So whatever is added to a dataset, or made of it by another task, moves no group that was
there; the price is that shares come out near the fractions, not at them, and that few groups may leave a split empty.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.manifest import SPLITS

__all__ = ["SplitRule", "check_fractions", "left_to_cut", "nearest_seed", "row_ranks", "split_rule"]

# Any key is as good as another; with this one the seed 0 fills every split with the demo's first three subjects.
_KEY = "split-13896"
SEEDS_TRIED = 2000


def check_fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    """Return the fractions of train, valid and test.

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
        """Return a group's split."""
        return self.names[bisect_right(self.ends, _rank(self.seed, group))]

    def of_ranks(self, ranks: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the places in ``names`` of the splits that ranks fall into."""
        return np.searchsorted(np.array(self.ends, np.uint64), ranks, side="right").astype(np.int64)


def row_ranks(seed: int, extent: str, count: int) -> NDArray[np.uint64]:
    """Return the ranks of an extent's rows where each is split by itself, shape (rows,).

    A row's rank follows from the seed, the extent's key and the row's number alone: numbers of SplitMix64 (Steele,
    Lea and Flood 2014), whose state begins at a hash of seed and key.
    """
    first = int.from_bytes(hashlib.sha256(f"{_KEY}/rows/{seed}/{extent}".encode(errors="surrogatepass")).digest()[:8])
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = steps + np.uint64(first)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    ranks: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return ranks


def left_to_cut(fractions: Sequence[float], own: Collection[str]) -> list[float]:
    """Return fractions that a dataset's train split is cut into: those of the splits that it does not have itself."""
    left = [part if name == "train" or name not in own else 0.0 for name, part in zip(SPLITS, fractions, strict=True)]
    return [part / sum(left) for part in left]


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
    """Return the seed nearest to ``seed`` whose rule is accepted; None where none of some thousands is."""
    for distance in range(SEEDS_TRIED):
        for near in {seed + distance, seed - distance}:
            if near >= 0 and accepts(split_rule(fractions=fractions, seed=near)):
                return near
    return None


@lru_cache(maxsize=1024)  # a group's samples come one after the other, or nearly so
def _rank(seed: int, group: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{_KEY}/{seed}/{group}".encode(errors="surrogatepass")).digest()[:8])
