"""Which of the EEG channels of a recording are taken, and what all are referred to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from penstock.errors import DataError
from penstock.tasks.eeg.channels import Montage
from penstock.texts import did_you_mean

__all__ = ["AVERAGE", "Picks", "picked"]

AVERAGE: Final = "average"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picks:
    """What is to be taken; nothing of it takes all channels as they are.

    Attributes:
        names: of channels, in the order wanted.
        numbers: of channels, from 0, among the EEG channels as they lie in the file.
        count: of channels, the first ones; 0 is no bound.
        reference: names of the channels whose mean is taken off all, or ``AVERAGE`` for all that are good.
    """

    names: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    count: int = 0
    reference: str | tuple[str, ...] = ()


def picked(montage: Montage, picks: Picks, *, name: str) -> Montage:
    """Return a montage of the channels that are taken.

    Args:
        name: of the recording, for messages.

    Raises:
        DataError: it has not what is asked for.
    """
    reference = _reference(montage, picks.reference, name)
    places = _places(montage, picks, name)
    labels = tuple(montage.labels[place] for place in places)
    bad = tuple(label for label in montage.bad if label in labels)
    if len(bad) == len(labels):
        raise _lacking(f"all channels that are taken of {name} are marked bad: {', '.join(bad[:8])}", name)
    return replace(
        montage,
        labels=labels,
        numbers=tuple(montage.numbers[place] for place in places),
        bad=bad,
        units=tuple(montage.units[place] for place in places),
        reference=reference,
    )


def _places(montage: Montage, picks: Picks, name: str) -> Sequence[int]:
    found = len(montage.labels)
    if picks.names:
        return [_place(montage, label, name) for label in picks.names]
    most = max((number + 1 for number in picks.numbers), default=picks.count)
    if most > found:
        what = f"channel {most - 1}, counted from 0," if picks.numbers else f"{most} channels"
        raise _lacking(f"{name} has {found} EEG channels, and {what} is asked for", name)
    return picks.numbers or range(picks.count or found)


def _place(montage: Montage, label: str, name: str) -> int:
    places = [place for place, each in enumerate(montage.labels) if each == label]
    if len(places) != 1:
        meant = did_you_mean(label, montage.labels, quoted=False)
        what = f"{len(places)} EEG channels {label}" if places else f"no EEG channel {label}"
        others = f" ({montage.left_out})" if montage.left_out else ""
        raise _lacking(f"{name} has {what}: {meant}it has {', '.join(montage.labels[:8])}{others}", name)
    return places[0]


def _reference(montage: Montage, asked: str | tuple[str, ...], name: str) -> tuple[int, ...]:
    """Return the numbers, in the file, of the channels whose mean is the reference."""
    if not asked:
        return ()
    if len(set(montage.units)) > 1:
        units = ", ".join(sorted(set(montage.units)))
        raise _lacking(f"the channels of {name} are in several units ({units}), and have no common reference", name)
    good = [place for place, label in enumerate(montage.labels) if label not in montage.bad]
    places = good if asked == AVERAGE else [_place(montage, label, name) for label in asked]
    if bad := [montage.labels[place] for place in places if place not in good]:
        raise _lacking(f"{bad[0]} is marked bad in {name}, and is to be the reference", name)
    return tuple(montage.numbers[place] for place in places)


def _lacking(what: str, name: str) -> DataError:
    return DataError(what, fix="ask for others, or leave such recordings out with --on-bad-object skip", about=name)
