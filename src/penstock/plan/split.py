"""Splits by group: a subject's samples are all in one split."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.records import SPLITS

__all__ = ["SplitRule", "check_fractions", "decide_splits", "split_by_rank"]

COUNTED_GROUPS = 1_000_000
"""Most groups whose ranks are held in memory, 8 bytes each."""
CHUNK_GROUPS = 250_000


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


def decide_splits(groups: Iterable[str], *, fractions: Sequence[float], seed: int) -> SplitRule:
    """Cut the groups, in the order of their ranks, at the fractions.

    Up to ``COUNTED_GROUPS`` are counted: then each split gets its share to one group, and every split with a
    fraction above zero gets one as long as there are enough. Of more, ranks alone decide, in bounded memory: a
    split of a tenth of a million groups is off by a third of a percent of its size, one time out of three.

    Args:
        groups: each once or more often.

    Raises:
        ConfigError: there are fewer groups than splits to fill, or the fractions are wrong.
    """
    wanted = check_fractions(fractions)
    names = tuple(name for name, part in zip(SPLITS, wanted, strict=True) if part > 0)
    ranks = _distinct_ranks(groups, seed)
    if ranks is None:
        return split_by_rank(fractions=fractions, seed=seed)
    if len(ranks) < len(names):
        raise ConfigError(
            f"{len(ranks)} group(s) cannot fill the {len(names)} splits {', '.join(names)}",
            fix="take more groups, or split by sample with --split-by sample",
        )
    firsts = np.cumsum([count for count in _counts(wanted, len(ranks)) if count])[:-1]
    return SplitRule(seed=seed, names=names, ends=tuple(ranks[firsts].tolist()))


def split_by_rank(*, fractions: Sequence[float], seed: int) -> SplitRule:
    """Cut the ranks that groups may have at the fractions, whatever groups there are.

    Raises:
        ConfigError: the fractions are wrong.
    """
    wanted = check_fractions(fractions)
    names = tuple(name for name, part in zip(SPLITS, wanted, strict=True) if part > 0)
    ends = np.cumsum([part for part in wanted if part > 0])[:-1]
    return SplitRule(seed=seed, names=names, ends=tuple(int(end * 2**64) for end in ends.tolist()))


@lru_cache(maxsize=1024)  # a group's samples come one after the other, or nearly so
def _rank(seed: int, group: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{group}".encode()).digest()[:8])


def _distinct_ranks(groups: Iterable[str], seed: int) -> NDArray[np.uint64] | None:
    """Give the ranks of the groups in ascending order, None where there are more than are counted."""
    known = np.zeros(0, dtype=np.uint64)
    left = iter(groups)
    while len(found := np.fromiter((_rank(seed, group) for group in islice(left, CHUNK_GROUPS)), dtype=np.uint64)):
        known = np.union1d(known, found)
        if len(known) > COUNTED_GROUPS:
            return None
    return known


def _counts(wanted: Sequence[float], num_groups: int) -> list[int]:
    """Give how many groups each split gets: at least one where its fraction is above zero."""
    counts = [max(1, round(part * num_groups)) if part > 0 else 0 for part in wanted]
    counts[0] = num_groups - counts[1] - counts[2]
    while counts[0] < 1:
        counts[counts.index(max(counts))] -= 1
        counts[0] += 1
    return counts
