"""Datasets mixed by weights."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from penstock.dataset.described import Dataset
from penstock.dataset.member_feed import CHUNK
from penstock.dataset.mixed_loader import MixedLoader
from penstock.dataset.proportions import Stop
from penstock.dataset.unread import Unread
from penstock.errors import ConfigError
from penstock.stream import checks
from penstock.stream.checks import shown
from penstock.stream.options import Options, names_checked, no_argument
from penstock.stream.words import in_python

__all__ = ["Mixed", "mix"]

LEAST_SHARE: Final = 1e-9
"""Of a member: what is less is a mistake in the weights."""
_STOPS: Final = ("first", "all")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class Mixed(Unread):
    """Datasets that are drawn from together; ``mix`` makes it.

    Attributes:
        members: each with its weight; weights make 1 together.
        seed: of the draws.
        stop: what an epoch is.
    """

    members: tuple[tuple[Dataset, float], ...]
    seed: int
    stop: Stop

    def __repr__(self) -> str:
        members = ", ".join(f"{share:.3g} {dataset!r}" for dataset, share in self.members)
        return f"<Mixed of {members}; seed {self.seed}, stop {self.stop}>"

    def loader(self, batch_size: int = 1, **options: Any) -> MixedLoader:
        """Open it: batches of samples of all members, for a training loop.

        The window is shared out: a half of it evenly, the other half by weights. So are ranges in flight. Each member
        is listed, prefetched and decoded as by a loader of its own, with as many ``workers``; samples are put together
        in this process.

        Args:
            batch_size: samples of a batch, on each rank.
            options: as of ``Dataset.loader``, but for ``stream_listing``.

        Raises:
            SourceError: a source could not be listed.
            DataError: an object is not of its format.
            ConfigError: an option cannot be honoured.
            TypeError: there is no such option.
        """
        known = [
            name for name in inspect.signature(Dataset.loader).parameters if name not in ("self", "stream_listing")
        ]
        wrong = next((name for name in options if name not in known), None)
        if wrong is not None:
            raise TypeError(no_argument("loader", wrong, known))
        given = {"batch_size": batch_size, **options}
        with in_python():
            asked = [dataset.opened_with(given) for dataset, _ in self.members]
            shares = [share for _, share in self.members]
            own = [_own(each, number, shares, self.stop) for number, each in enumerate(asked)]
        return MixedLoader(asked[0], own, shares=shares, seed=self.seed, stop=self.stop)


def _number(weight: Any) -> float:
    """Return a weight as a number; NaN where it is none."""
    if isinstance(weight, bool) or not isinstance(weight, numbers.Real):
        return math.nan
    try:
        return float(weight)
    except OverflowError:
        return math.inf


def _own(asked: Options, number: int, shares: list[float], stop: Stop) -> Options:
    """Return a member's own options: its part of the window, and samples that are shuffled as no other member's are.

    Where members begin again, how many epochs each is asked for is not known before all are listed.
    """
    part = (1 / len(shares) + shares[number]) / 2
    return replace(
        asked,
        window_bytes=max(1, int(asked.window_bytes * part)),
        in_flight=max(1, int(asked.in_flight * part)),
        folder=None if asked.folder is None else asked.folder / f"member-{number}",
        seed=(asked.seed + 0x9E3779B9 * number) % 2**32,
        batch_size=min(CHUNK, asked.batch_size),
        may_shrink=True,
        drop_last=False,
        pin_memory=False,
        num_epochs=asked.num_epochs if stop == "first" else None,
    )


@names_checked
def mix(
    members: Mapping[Dataset, float] | Iterable[tuple[Dataset, float]],
    *,
    seed: int = 0,
    stop: Literal["first", "all"] = "first",
) -> Mixed:
    """Return datasets that are drawn from together: each batch has samples of all, by their weights.

    Which member the n-th sample of an epoch is of follows from ``seed``, the epoch and n alone. An epoch has exactly as
    many samples of each member as its weight says, the same number in each epoch:

    - ``stop="first"``: as many as there are until the first member has none left; of the others some are left out, in
      each epoch others.
    - ``stop="all"``: as many as it takes until every sample of every member was given; members that are too small for
      their weight begin again.

    All members must give values of one structure: the same names, types and lengths of tuples.

    Args:
        members: weights by dataset, or pairs of both; weights are above 0 and need not make 1.
        seed: of the draws.
        stop: what an epoch is.

    Raises:
        ConfigError: a weight is none, or there are not two members.
    """
    pairs: Any = list(members.items()) if isinstance(members, Mapping) else members
    fix = "give weights by dataset, like {a: 0.7, b: 0.3}, or pairs of both"
    try:
        found = [(dataset, weight) for dataset, weight in pairs]
    except (TypeError, ValueError):
        raise ConfigError(f"members {shown(members)}", fix=fix) from None
    for dataset, weight in found:
        if not isinstance(dataset, Dataset):
            raise ConfigError(f"the member {shown(dataset)} is no dataset", fix=fix)
        if not 0 < _number(weight) < math.inf:
            raise ConfigError(f"the weight {shown(weight)} of a member", fix="give numbers above 0")
    if len(found) < 2:
        raise ConfigError(f"{len(found)} member(s)", fix="give at least two datasets")
    largest = max(float(weight) for _, weight in found)  # so that no sum is infinite
    total = sum(float(weight) / largest for _, weight in found)
    shares = [float(weight) / largest / total for _, weight in found]
    for (_, weight), share in zip(found, shares, strict=True):
        if share < LEAST_SHARE:
            raise ConfigError(
                f"the weight {shown(weight)} of a member, beside {largest:g}, is a share below {LEAST_SHARE:g}",
                fix="give weights that are nearer to one another, or leave that member out",
            )
    return Mixed(
        members=tuple((dataset, share) for (dataset, _), share in zip(found, shares, strict=True)),
        seed=checks.count("seed", seed, 0, most=2**32 - 1),
        stop=checks.choice("stop", stop, _STOPS),
    )
