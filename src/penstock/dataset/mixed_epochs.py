"""Epochs of a mix, once the sizes of its members are known."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.dataset.proportions import Limit, Quota, Rule, Turns, epoch_quotas, rounds
from penstock.dataset.weights import Weighed

__all__ = ["MixEpochs"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MixEpochs:
    """What each epoch has of each member.

    Attributes:
        sizes: samples of each member's own epoch, of all ranks.
    """

    weighed: Weighed
    rule: Rule
    limits: Sequence[Limit]
    seed: int
    sizes: tuple[int, ...]

    def shares(self, epoch: int) -> list[float]:
        """Return the members' shares, as the weights of an epoch have them."""
        return self.weighed.shares(self.sizes, epoch)

    def quotas(self, epoch: int) -> list[Quota]:
        """Return what each member gives to an epoch.

        Raises:
            ConfigError: weights and sizes make none.
        """
        return self._quotas(max(first for first in self.weighed.epochs if first <= epoch))

    def starts(self, epoch: int) -> list[int]:
        """Return where each member begins an epoch: positions in its own endless order."""
        firsts = [first for first in self.weighed.epochs if first < epoch]
        found = [0] * len(self.sizes)
        for first, end in zip(firsts, [*firsts, epoch][1:], strict=True):
            for number, (quota, size) in enumerate(zip(self.quotas(first), self.sizes, strict=True)):
                goes_on = self.rule.stop == "repeat" or not quota.count
                found[number] += (end - first) * (quota.count if goes_on else rounds(quota.count, size) * size)
        return found

    def turns(self, epoch: int, given: list[int], *, world_size: int) -> Turns:
        """Return what is left of an epoch, behind what was given of each member."""
        return Turns(
            self.quotas(epoch),
            given,
            starts=self.starts(epoch),
            sizes=self.sizes,
            world_size=world_size,
            seed=self.seed,
            epoch=epoch,
        )

    @functools.cached_property
    def _known(self) -> dict[int, list[Quota]]:
        return {}

    def _quotas(self, first: int) -> list[Quota]:
        if first not in self._known:
            self._known[first] = epoch_quotas(self.sizes, self.shares(first), rule=self.rule, limits=self.limits)
        return self._known[first]
