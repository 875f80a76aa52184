"""One line of a width that is what it is: parts are left out whole, never cut, the least worth first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Part", "choose_parts", "width_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a line.

    Attributes:
        text: what it says, without line ends.
        worth: the higher, the longer it is kept; of two alike the earlier is.
        gap: characters between it and what comes before.
        style: rich's, for its colour.
    """

    text: str
    worth: int
    gap: int = 1
    style: str = ""


def width_of(parts: Sequence[Part]) -> int:
    """Return the characters that parts take, one after another."""
    return sum(len(part.text) + (part.gap if place else 0) for place, part in enumerate(parts))


def choose_parts(parts: Sequence[Part], width: int) -> list[Part]:
    """Return the parts that a line of ``width`` characters has room for, in their order; the one worth most always."""
    chosen: set[int] = set()
    for place in sorted(range(len(parts)), key=lambda place: -parts[place].worth):
        kept = sorted({*chosen, place})
        if not chosen or width_of([parts[at] for at in kept]) <= width:
            chosen.add(place)
    return [parts[place] for place in sorted(chosen)]
