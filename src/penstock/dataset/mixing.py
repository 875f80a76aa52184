"""Datasets mixed by weights."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from penstock.dataset.described import Dataset
from penstock.dataset.functions import parted
from penstock.dataset.member_feed import CHUNK
from penstock.dataset.mixed_loader import MixedLoader
from penstock.dataset.mixed_verbs import ChangedMix
from penstock.dataset.proportions import Limit, Rule, Stop
from penstock.dataset.text_verbs import TextVerbs
from penstock.dataset.unread import Unread
from penstock.dataset.weights import Weighed, Weight, weight_of
from penstock.errors import ConfigError
from penstock.stream import checks
from penstock.stream.checks import shown
from penstock.stream.options import Options, names_checked, no_argument
from penstock.stream.words import in_python

__all__ = ["Mixed", "member_seed", "mix", "window_parts"]

_STOPS: Final = ("first", "all", "once", "repeat")
_FIX: Final = "give weights by dataset, like {a: 0.7, b: 0.3}, or pairs of both"
_LIMITS_FIX: Final = "give whole numbers by dataset, like {a: 1000}, or one or None for each member in their order"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class Mixed(ChangedMix, TextVerbs):
    """Datasets that are drawn from together; ``mix`` makes it.

    Attributes:
        members: datasets, or mixes of their own, each with its share in the first epoch; None is by their sizes.
        weighed: their weights in each epoch.
        rule: what an epoch is.
        limits: of each dataset, those of mixes within too.
        seed: of the draws.
    """

    members: tuple[tuple[Dataset | Mixed, float | None], ...]
    weighed: Weighed
    rule: Rule
    limits: tuple[Limit, ...]
    seed: int

    def __repr__(self) -> str:
        members = ", ".join(
            f"{dataset!r} by its size" if share is None else f"{share:.3g} {dataset!r}"
            for dataset, share in self.members
        )
        return f"<Mixed of {members}; seed {self.seed}, stop {self.stop}>"

    def mapped(self, function: Callable[[Any], Any]) -> Mixed:
        """Return a mix of the values that a function makes of all members'."""
        return replace(self, members=tuple((member.mapped(function), share) for member, share in self.members))

    @property
    def stop(self) -> Stop:
        """When an epoch ends."""
        return self.rule.stop

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """All datasets, those of mixes within too."""
        return tuple(
            each for member, _ in self.members for each in (member.datasets if isinstance(member, Mixed) else (member,))
        )

    def loader(self, batch_size: int | None = None, **options: Any) -> MixedLoader:
        """Open it: batches of samples of all members, for a training loop.

        The window is shared out: a half of it evenly, the other half by weights. So are ranges in flight. Each member
        is listed, prefetched and decoded as by a loader of its own, with as many ``workers``; samples are put together
        in this process.

        Args:
            batch_size: samples of a batch, on each rank; None is what the file says that it was opened of, or 1.
            options: as of ``Dataset.loader``; ``stream_listing`` is refused, since how many samples of each member an
                epoch has follows from all listings.

        Raises:
            SourceError: a source could not be listed.
            DataError: an object is not of its format.
            ConfigError: an option cannot be honoured.
            TypeError: there is no such option.
        """
        known = [name for name in inspect.signature(Dataset.loader).parameters if name != "self"]
        wrong = next((name for name in options if name not in known), None)
        if wrong is not None:
            raise TypeError(no_argument("loader", wrong, known))
        if checks.flag("stream_listing", options.get("stream_listing", False)):
            raise ConfigError(
                "stream_listing with a mix",
                fix="leave it out: how many samples of each member an epoch has follows from all listings, which "
                "manifest_folder keeps",
            )
        for dataset in self.datasets:
            if parted(dataset.functions)[1]:
                raise ConfigError(
                    "a mix of a dataset with map_batches, whose batches would be the mix's",
                    fix="leave it out, and give the mix's loader a collate= that calls the function first",
                )
        given = {"batch_size": batch_size, **options}
        with in_python():
            asked = _sharing([dataset.opened_with(given) for dataset in self.datasets])
            parts = window_parts(self.weighed)
            own = [_own(each, number, parts[number], self.stop) for number, each in enumerate(asked)]
        return MixedLoader(asked[0], own, weighed=self.weighed, rule=self.rule, limits=self.limits, seed=self.seed)


def window_parts(weighed: Weighed) -> list[float]:
    """Return what each dataset has of a window: a half is shared out evenly, a half by the mean of all weights.

    It is given out before sizes are known.
    """
    sizes = [1] * weighed.num_datasets
    each = [weighed.shares(sizes, epoch) for epoch in weighed.epochs]
    shares = [math.fsum(found) / len(each) for found in zip(*each, strict=True)]
    return [(1 / len(shares) + share) / 2 for share in shares]


def member_seed(seed: int, number: int) -> int:
    """Return the seed of a dataset's own order, so that none is shuffled as another is."""
    return (seed + 0x9E3779B9 * number) % 2**32


def _sharing(asked: Sequence[Options]) -> list[Options]:
    """Return members' options with the one window that they share out: the largest, where tasks name others."""
    window_bytes = max(each.window_bytes for each in asked)
    return [replace(each, window_bytes=window_bytes) for each in asked]


def _own(asked: Options, number: int, part: float, stop: Stop) -> Options:
    """Return a member's own options: its part of the window, and samples that are shuffled as no other member's are.

    Where members begin again, how many epochs each is asked for is not known before all are listed.
    """
    return replace(
        asked,
        window_bytes=max(1, int(asked.window_bytes * part)),
        in_flight=max(1, int(asked.in_flight * part)),
        folder=None if asked.folder is None else asked.folder / f"member-{number}",
        seed=member_seed(asked.seed, number),
        batch_size=min(CHUNK, asked.batch_size),
        may_shrink=True,
        drop_last=False,
        pin_memory=False,
        num_epochs=asked.num_epochs if stop in ("first", "once") else None,
    )


_Limits = Mapping[Dataset, int] | Sequence[int | None] | None


@names_checked
def mix(
    members: Mapping[Dataset | Mixed, float] | Iterable[tuple[Dataset | Mixed, float]] | Iterable[Dataset | Mixed],
    *,
    seed: int = 0,
    stop: Literal["first", "all", "once", "repeat"] = "first",
    samples: int | None = None,
    temperature: float = 1.0,
    most_samples: _Limits = None,
    most_epochs: _Limits = None,
) -> Mixed:
    """Return datasets that are drawn from together: each batch has samples of all, by their weights.

    Which member the n-th sample of an epoch is of follows from ``seed``, the epoch and what was given before alone. An
    epoch has exactly as many samples of each member as its weight says:

    - ``stop="first"``: as many as there are until the first member has none left; of the others some are left out, in
      each epoch others.
    - ``stop="all"``: as many as it takes until every sample of every member was given; members that are too small for
      their weight begin again.
    - ``stop="once"``: every sample of every member once; a member that has none left drops out.
    - ``stop="repeat"``: ``samples``; members go on where the epoch before left them, and begin again where they end.

    All members must give values of one structure: the same names, types and lengths of tuples.

    Args:
        members: weights by dataset, or pairs of both; weights are above 0 and need not make 1. A weight may be given by
            the epoch that it begins with, like ``{0: 0.9, 3: 0.5}``. Datasets alone weigh what they have samples. A
            member may be a mix of its own, with the same ``stop``: its datasets share its weight.
        seed: of the draws.
        stop: what an epoch is.
        samples: of an epoch that repeats, of all ranks.
        temperature: T makes weights nearer to one another by their powers of 1/T.
        most_samples: of a member in each epoch, by dataset or in their order.
        most_epochs: of a member's own in each epoch, likewise.

    Raises:
        ConfigError: a weight or limit is none, or there are not two members.
    """
    found = _pairs(members)
    rule = Rule(
        stop=checks.choice("stop", stop, _STOPS),
        samples=None if samples is None else checks.count("samples", samples, 1, most=10**12),
    )
    if (rule.samples is None) == (rule.stop == "repeat"):
        raise ConfigError(f"samples {shown(samples)} with stop={stop!r}", fix='give samples= with stop="repeat" alone')
    own = [member for member, _ in found]
    for member in own:
        if isinstance(member, Mixed) and member.rule != rule:
            raise ConfigError(
                f"stop {rule.stop!r} around a mix of stop {member.stop!r}, or of other samples",
                fix="give the mix within the same stop and samples, which are of the whole",
            )
    weights = [weight for _, weight in found if weight is not None]
    weighed = Weighed(
        members=tuple(member.weighed if isinstance(member, Mixed) else None for member in own),
        weights=tuple(weights) if weights else None,
        temperature=_temperature(temperature),
    )
    for epoch in weighed.epochs:  # that they are weights
        weighed.shares([1] * weighed.num_datasets, epoch)
    shares = replace(weighed, members=(None,) * len(own)).shares([1] * len(own), 0) if weights else [None] * len(own)
    return Mixed(
        members=tuple(zip(own, shares, strict=True)),
        weighed=weighed,
        rule=rule,
        limits=_limits(own, most_samples, most_epochs),
        seed=checks.count("seed", seed, 0, most=2**32 - 1),
    )


def _pairs(members: Any) -> list[tuple[Dataset | Mixed, Weight | None]]:
    try:
        pairs = list(members.items() if isinstance(members, Mapping) else members)
        for each in pairs:
            _check_sized(each[0] if isinstance(each, tuple | list) and each else each)
        is_alone = all(isinstance(each, Dataset | Mixed) for each in pairs)
        found = [(each, None) for each in pairs] if is_alone else [(dataset, weight) for dataset, weight in pairs]
    except (TypeError, ValueError):
        raise ConfigError(f"members {shown(members)}", fix=_FIX) from None
    for dataset, _ in found:
        if not isinstance(dataset, Dataset | Mixed):
            raise ConfigError(f"the member {shown(dataset)} is no dataset", fix=_FIX)
    made = [(dataset, None if is_alone else weight_of(weight)) for dataset, weight in found]
    if len(made) < 2:
        raise ConfigError(f"{len(made)} member(s)", fix="give at least two datasets")
    return made


def _check_sized(member: Any) -> None:
    if isinstance(member, Unread) and not isinstance(member, Dataset | Mixed):
        raise ConfigError(
            f"the member {shown(member)}: how many values it has is not known before they are made",
            fix="mix the datasets first, and give the mix map_batches with rows=, or pack it",
        )


def _temperature(given: Any) -> float:
    is_number = isinstance(given, numbers.Real) and not isinstance(given, bool)
    if not is_number or not 1e-3 <= given <= 1e6:
        raise ConfigError(f"temperature {shown(given)}", fix="give a number of 0.001 to 1000000, like 2")
    return float(given)


def _limits(members: list[Dataset | Mixed], most_samples: Any, most_epochs: Any) -> tuple[Limit, ...]:
    samples, epochs = (
        _of_each(members, name, given) for name, given in (("most_samples", most_samples), ("most_epochs", most_epochs))
    )
    found: list[Limit] = []
    for member, most, rounds in zip(members, samples, epochs, strict=True):
        if isinstance(member, Mixed):
            if most is not None or rounds is not None:
                raise ConfigError(
                    "most_samples or most_epochs of a mix within", fix="give them to that mix, for its own members"
                )
            found += member.limits
        else:
            found.append(Limit(most_samples=most, most_epochs=rounds))
    return tuple(found)


def _of_each(members: list[Dataset | Mixed], name: str, given: Any) -> list[int | None]:
    if given is None:
        return [None] * len(members)
    if isinstance(given, Mapping):
        if any(each not in members for each in given):
            raise ConfigError(f"{name} {shown(given)} of what is no member", fix=_LIMITS_FIX)
        given = [given.get(member) for member in members]
    if not isinstance(given, Sequence) or isinstance(given, str | bytes) or len(given) != len(members):
        raise ConfigError(f"{name} {shown(given)} for {len(members)} members", fix=_LIMITS_FIX)
    return [None if each is None else checks.count(name, each, 1) for each in given]
