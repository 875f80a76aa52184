"""What is said of a listing by functions of keys or by a column: what of it is taken, and how it is split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Choice"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What is done with a listing behind it.

    Attributes:
        fits: what says by a key whether an extent is taken; all of them do.
        group: gives by its key what an extent stays whole with when splits are made.
        group_name: argument that it was given by.
        by_column: whether each sample's group is known, so that extents are cut where theirs fall into several splits.
    """

    fits: tuple[Callable[[str], Any], ...] = ()
    group: Callable[[str], str] | None = None
    group_name: str = "by"
    by_column: bool = False

    @property
    def splits(self) -> bool:
        """Whether splits are made here."""
        return self.group is not None or self.by_column

    @property
    def is_empty(self) -> bool:
        """Whether the listing is taken as it is."""
        return not self.fits and not self.splits

    def named(self) -> tuple[object, ...]:
        """Return what tells it from others in any process."""
        return tuple(map(_name, self.fits)), _name(self.group), self.by_column


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__)) if function is not None else ""
