"""A pack on its way into a slot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from penstock.errors import PenstockError
from penstock.window.packing import Pack

__all__ = ["Fill"]


@dataclass(kw_only=True, slots=True)
class Fill:
    """A pack on its way into a slot.

    Attributes:
        slot: its bytes.
        on_done: called once, when nothing writes into the slot any more.
        may_skip: whether errors that are an extent's own leave the others be.
        errors: of extents that could not be had, by their position.
        checksums: of extents that are in their place, by their position.
        places: offset, bytes and status of each extent.
        reads_left: ranges of each extent that have not ended.
        extents_left: extents that are neither in their place nor failed.
        reused: positions of extents for which nothing was requested: those that are kept, and those of a cache.
        keep: called when all extents are settled, in the place of ``on_done``, which it sees to.
    """

    pack: Pack
    slot: memoryview
    on_done: Callable[[Fill], None]
    may_skip: bool = False
    errors: dict[int, PenstockError] = field(default_factory=dict)
    checksums: list[int] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)
    reads_left: list[int] = field(default_factory=list)
    extents_left: int = 0
    reused: set[int] = field(default_factory=set)
    keep: Callable[[Fill], None] | None = None

    @property
    def failed_at(self) -> int | None:
        """Position of the first extent whose error ends the stream."""
        if not self.errors:
            return None
        ends = (at for at, error in self.errors.items() if not (self.may_skip and error.skippable))
        return min(ends, default=None)

    def settle(self) -> None:
        """Note that an extent is in its place, or failed."""
        self.extents_left -= 1
        if not self.extents_left:
            self.pack.table["checksum"] = np.array(self.checksums, np.uint64)
            (self.on_done if self.keep is None else self.keep)(self)
