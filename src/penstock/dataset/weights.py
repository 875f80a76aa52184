"""Weights of the members of a mix, in each of its epochs; members may be mixes."""

from __future__ import annotations

import math
import numbers
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.stream import checks
from penstock.stream.checks import shown

__all__ = ["Weighed", "Weight", "weight_of"]

LEAST_SHARE: Final = 1e-9
"""Of a member: what is less is a mistake in the weights."""
_FIX: Final = "give numbers above 0"
_SCHEDULE_FIX: Final = "give weights by the epoch, from 0, that each begins with, like {0: 0.9, 3: 0.5}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Weight:
    """A weight in each epoch.

    Attributes:
        firsts: epochs that the values begin with, ascending from 0.
        values: at least 0; as told, for messages.
    """

    firsts: tuple[int, ...]
    values: tuple[float, ...]
    told: str

    def at(self, epoch: int) -> float:
        """Return that of an epoch."""
        return self.values[bisect_right(self.firsts, epoch) - 1]


def weight_of(given: Any) -> Weight:
    """Return the weight of a member: a number above 0, or numbers of at least 0 by the epoch that each begins with.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(given, Mapping):
        if not 0 < _number(given) < math.inf:
            raise ConfigError(f"the weight {shown(given)} of a member", fix=_FIX)
        return Weight(firsts=(0,), values=(float(given),), told=shown(given))
    found = {checks.count("epoch of a weight", epoch, 0): _number(value) for epoch, value in given.items()}
    if 0 not in found or not all(0 <= value < math.inf for value in found.values()):
        raise ConfigError(f"the weight {shown(dict(given))} of a member", fix=_SCHEDULE_FIX)
    firsts = tuple(sorted(found))
    return Weight(firsts=firsts, values=tuple(found[first] for first in firsts), told=shown(dict(given)))


def _number(weight: Any) -> float:
    """Return a weight as a number; NaN where it is none."""
    if isinstance(weight, bool) or not isinstance(weight, numbers.Real):
        return math.nan
    try:
        return float(weight)
    except OverflowError:
        return math.inf


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighed:
    """Members with their weights.

    Attributes:
        members: of each that is a mix its own; None are datasets.
        weights: None are the members' sizes.
        temperature: T makes weights nearer to one another by their powers of 1/T (Raffel et al. 2020, "Exploring the
            limits of transfer learning", 3.5.2).
    """

    members: tuple[Weighed | None, ...]
    weights: tuple[Weight, ...] | None
    temperature: float

    @property
    def num_datasets(self) -> int:
        """Datasets, of all mixes."""
        return sum(1 if each is None else each.num_datasets for each in self.members)

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs that some weight changes with, ascending from 0."""
        own = {first for weight in self.weights or () for first in weight.firsts}
        return tuple(sorted({0}.union(own, *(each.epochs for each in self.members if each is not None))))

    @property
    def is_by_size(self) -> bool:
        """Whether sizes count, of members or within one."""
        return self.weights is None or any(each.is_by_size for each in self.members if each is not None)

    def shares(self, sizes: Sequence[int], epoch: int) -> list[float]:
        """Return the shares of all datasets, which make 1 together.

        Args:
            sizes: of the datasets.

        Raises:
            ConfigError: one is 0 throughout, or so small beside the others that it is a mistake.
        """
        found: list[float] = []
        of_members: list[Sequence[int]] = []
        first = 0
        for each in self.members:
            end = first + (1 if each is None else each.num_datasets)
            of_members.append(sizes[first:end])
            first = end
        for each, part, share in zip(self.members, of_members, self._own(of_members, epoch), strict=True):
            found += [share] if each is None or not share else [share * one for one in each.shares(part, epoch)]
            if each is not None and not share:
                found += [0.0] * (len(part) - 1)
        return found

    def _own(self, sizes: Sequence[Sequence[int]], epoch: int) -> list[float]:
        if self.weights is None:
            given, told = [float(sum(part)) for part in sizes], [str(sum(part)) for part in sizes]
        else:
            given, told = [weight.at(epoch) for weight in self.weights], [weight.told for weight in self.weights]
        largest = max(given)  # so that no sum is infinite
        if not largest:
            raise ConfigError(f"no member of the mix has a weight in epoch {epoch}", fix="give one a number above 0")
        tempered = [(each / largest) ** (1 / self.temperature) for each in given]
        total = math.fsum(tempered)
        for weight, words, one in zip(given, told, tempered, strict=True):
            if weight and one / total < LEAST_SHARE:
                raise ConfigError(
                    f"the weight {words} of a member, beside {largest:g}, is a share below {LEAST_SHARE:g}",
                    fix="give weights that are nearer to one another, or leave that member out",
                )
        return [one / total for one in tempered]
