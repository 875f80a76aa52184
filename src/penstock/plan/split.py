"""Splits by group: a subject's samples are all in one split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from penstock.errors import ConfigError
from penstock.records import SPLITS

__all__ = ["assign_splits", "check_fractions"]


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


def assign_splits(groups: Sequence[str], *, fractions: Sequence[float], seed: int) -> dict[str, str]:
    """Give each group its split: groups in the order of a keyed hash, cut at the fractions.

    Every split with a fraction above zero gets a group as long as there are enough groups.

    Raises:
        ConfigError: there are fewer groups than splits to fill, or the fractions are wrong.
    """
    wanted = check_fractions(fractions)
    names = [name for name, part in zip(SPLITS, wanted, strict=True) if part > 0]
    if len(set(groups)) < len(names):
        raise ConfigError(
            f"{len(set(groups))} group(s) cannot fill the {len(names)} splits {', '.join(names)}",
            fix="take more groups, or split by sample with --split-by sample",
        )
    ranked = sorted(set(groups), key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    counts = [max(1, round(part * len(ranked))) if part > 0 else 0 for part in wanted]
    counts[0] = len(ranked) - counts[1] - counts[2]
    while counts[0] < 1:
        counts[counts.index(max(counts))] -= 1
        counts[0] += 1
    assigned: dict[str, str] = {}
    start = 0
    for name, count in zip(SPLITS, counts, strict=True):
        assigned |= dict.fromkeys(ranked[start : start + count], name)
        start += count
    return assigned
