"""How many samples of each member an epoch of a mix has, and which sample is of which: pure functions.

Positions of a member are those of its own endless order, epoch after epoch of it. Each member has a clock: its k-th
sample of the epoch falls at ``(k + u) * end / count``, with u in [0, 1) drawn by a hash of seed, epoch, member and k,
which is jittered stratified sampling (Cook, "Stochastic sampling in computer graphics", 1986). The member whose clock
is behind is next. So what is next follows from what was given alone, whatever the ranks were that it was given to; and
a member is never a sample further from its share than ``1 + share * (members - 2)``, a low discrepancy. Of several
ranks each is given a sample of the member at a time, so that is samples of all of them.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from penstock.errors import ConfigError
from penstock.plan.permutation import draw

__all__ = ["Limit", "Quota", "Rule", "Stop", "Turns", "epoch_quotas", "rounds", "settled", "units"]

MOST_SAMPLES: Final = 10**12
"""Of an epoch: more is a mistake in the weights."""
_MASK: Final = (1 << 64) - 1
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB

Stop = Literal["first", "all", "once", "repeat"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """Of a member in each epoch of the mix; None is none."""

    most_samples: int | None = None
    most_epochs: int | None = None

    def of(self, size: int) -> float:
        """Return the most samples of a member that has ``size``."""
        samples = math.inf if self.most_samples is None else self.most_samples
        return min(samples, math.inf if self.most_epochs is None else self.most_epochs * size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What an epoch is; ``samples`` are those of one that repeats."""

    stop: Stop
    samples: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """What a member gives to an epoch: how many samples, and when by the mix's clock the last of them is due."""

    count: int
    end: float


def epoch_quotas(sizes: Sequence[int], shares: Sequence[float], *, rule: Rule, limits: Sequence[Limit]) -> list[Quota]:
    """Return what each member gives to an epoch.

    Args:
        sizes: samples of each member's own epoch.
        shares: of the members, which make 1 together; 0 leaves one out.

    Raises:
        ConfigError: it has more than ``MOST_SAMPLES``, or none of a member that has a share.
    """
    most = [limit.of(size) if share else 0 for limit, size, share in zip(limits, sizes, shares, strict=True)]
    own = [int(min(size, each)) for size, each in zip(sizes, most, strict=True)]
    if rule.samples is not None:
        return _repeating(shares, most, rule.samples)
    ends = [each / share for each, share in zip(own, shares, strict=True) if share]
    end = min(ends) if rule.stop == "first" else max(ends)
    counts: list[int] = []
    for share, mine, limit in zip(shares, own, most, strict=True):
        wanted = round(end * share)
        if rule.stop == "first":
            counts.append(min(mine, max(1, wanted)))
        else:
            counts.append(mine if rule.stop == "once" else int(min(limit, max(mine, wanted))))
    if sum(counts) > MOST_SAMPLES:
        raise ConfigError(
            f"an epoch of the mix has {sum(counts):.3g} samples, until all of each member were given",
            fix='give the largest members more weight, or stop="first"',
        )
    return _quotas(counts, shares, end)


def _quotas(counts: Sequence[int], shares: Sequence[float], end: float) -> list[Quota]:
    return [
        Quota(count=count, end=min(end, count / share) if share else 0.0)
        for count, share in zip(counts, shares, strict=True)
    ]


def _repeating(shares: Sequence[float], most: Sequence[float], samples: int) -> list[Quota]:
    """Share out a number of samples; what a member may not give is the others'."""
    left, weight, end = float(samples), math.fsum(shares), 0.0
    full = sorted((limit / share, limit, share) for limit, share in zip(most, shares, strict=True) if share)
    for at, limit, share in full:
        end = left / weight if weight > 0 else at
        if at >= end:
            break
        left, weight, end = left - limit, weight - share, at
    exact = [min(limit, end * share) for limit, share in zip(most, shares, strict=True)]
    counts = [int(each) for each in exact]
    by_rest = sorted(range(len(counts)), key=lambda number: (counts[number] - exact[number], number))
    room = [number for number in by_rest if shares[number] and counts[number] < most[number]]
    for number in room[: max(0, samples - sum(counts))]:
        counts[number] += 1
    for number, (count, share) in enumerate(zip(counts, shares, strict=True)):
        if share and not count:
            raise ConfigError(
                f"an epoch of {samples} samples of the mix has none of member {number} (from 0), of share {share:.3g}",
                fix="give more samples=, or that member more weight",
            )
    return _quotas(counts, shares, end)


def rounds(count: int, size: int) -> int:
    """Return how many epochs of a member an epoch of the mix begins."""
    return max(1, math.ceil(count / size))


def settled(position: int, *, size: int, world_size: int) -> int:
    """Return where a member goes on: what is left of its epoch and fewer than the ranks is given to none."""
    left = size - position % size
    return position if left >= world_size else position + left


def units(given: int, *, start: int, count: int, size: int, world_size: int) -> int:
    """Return how many samples each rank is given of a member, behind those ``given`` of the epoch.

    Args:
        start: position of the member's first sample in the epoch.
        count: of its samples in the epoch.
        size: of its own epoch.
    """
    here, left = size - (start + given) % size, max(0, count - given)
    if left <= here:
        return left // world_size
    whole, rest = divmod(left - here, size)
    return here // world_size + whole * (size // world_size) + rest // world_size


class Turns(Iterator[tuple[int, int]]):
    """Members in the order of their turns, each with the position that the ranks are given samples from.

    Args:
        given: samples of each member that the epoch has passed; it is counted on.
        starts: positions of the members' first samples in the epoch.
    """

    def __init__(
        self,
        quotas: Sequence[Quota],
        given: list[int],
        *,
        starts: Sequence[int],
        sizes: Sequence[int],
        world_size: int,
        seed: int,
        epoch: int,
    ) -> None:
        self._quotas, self.given, self._starts, self._sizes = quotas, given, starts, sizes
        self._world_size = world_size
        self._keys = [
            draw(1 << 64, seed=seed, epoch=epoch, purpose=f"turns of member {number}") for number in range(len(quotas))
        ]
        self.left = 0
        self._due: list[tuple[float, int, int]] = []
        for number, (quota, start, size) in enumerate(zip(quotas, starts, sizes, strict=True)):
            self.left += units(given[number], start=start, count=quota.count, size=size, world_size=world_size)
            self._plan(number)

    def __next__(self) -> tuple[int, int]:
        if not self._due:
            raise StopIteration
        _, number, position = heapq.heappop(self._due)
        self.given[number] = position + self._world_size - self._starts[number]
        self.left -= 1
        self._plan(number)
        return number, position

    def _plan(self, number: int) -> None:
        quota, start = self._quotas[number], self._starts[number]
        position = settled(start + self.given[number], size=self._sizes[number], world_size=self._world_size)
        given = position - start
        if given + self._world_size <= quota.count:
            due = (given + self._world_size * _chance(self._keys[number], given)) * quota.end / quota.count
            heapq.heappush(self._due, (due, number, position))


def _chance(key: int, number: int) -> float:
    """Return a number of [0, 1) by the finaliser of SplitMix64 (Steele et al. 2014)."""
    value = (key + number * _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return ((value ^ (value >> 31)) >> 11) / (1 << 53)
