"""Which slot is used for what: a pure state machine, without bytes, clocks or files.

    FREE --begin--> FILLING --complete--> READY --move_cursor--> FREE

Packs are begun in stream order and may be completed in any; a slot is free again when every reader's cursor
has passed its last sample. Since slots are never added, the window cannot outgrow its bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.window.layout import SlotState

__all__ = ["SlotRange", "WindowPolicy", "choose_adopted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotRange:
    """Stream indices that a slot holds: from ``first_index`` until before ``end_index``."""

    slot: int
    first_index: int
    end_index: int


def choose_adopted(found: Iterable[SlotRange], start_index: int) -> list[SlotRange]:
    """Choose, of the good slots of an earlier process, those that continue the stream from ``start_index``.

    They form a chain without a gap; whatever lies behind a gap or before the start is not kept.
    """
    chain: list[SlotRange] = []
    wanted = start_index
    for held in sorted(found, key=lambda item: item.first_index):
        if held.first_index <= wanted < held.end_index:
            chain.append(held)
            wanted = held.end_index
    return chain


class WindowPolicy:
    """State of every slot, and where the stream stands.

    Attributes:
        next_index: first stream index that no slot was begun for.
        failed_index: stream index of the sample whose error ends the stream, None while there is none.
    """

    def __init__(self, num_slots: int, *, start_index: int, end_index: int, adopted: Sequence[SlotRange] = ()) -> None:
        self._states = [SlotState.FREE] * num_slots
        self._ranges: dict[int, SlotRange] = {}
        self._cursor = start_index
        self._end_index = end_index
        self.failed_index: int | None = None
        for held in adopted:
            self._states[held.slot] = SlotState.READY
            self._ranges[held.slot] = held
        self.next_index = max([start_index, *(held.end_index for held in adopted)])

    @property
    def wants_more(self) -> bool:
        """Whether there are samples left to begin a slot for."""
        return self.failed_index is None and self.next_index < self._end_index

    def state(self, slot: int) -> SlotState:
        """Give a slot's state."""
        return self._states[slot]

    def free_slot(self) -> int | None:
        """Give a slot that may be begun, or None."""
        try:
            return self._states.index(SlotState.FREE)
        except ValueError:
            return None

    def begin(self, slot: int, *, first_index: int, end_index: int) -> None:
        """Begin to fill a slot with the next samples of the stream."""
        assert self._states[slot] is SlotState.FREE
        assert first_index == self.next_index < end_index <= self._end_index
        self._states[slot] = SlotState.FILLING
        self._ranges[slot] = SlotRange(slot=slot, first_index=first_index, end_index=end_index)
        self.next_index = end_index

    def complete(self, slot: int) -> None:
        """Make a filled slot visible."""
        assert self._states[slot] is SlotState.FILLING
        self._states[slot] = SlotState.READY

    def fail(self, slot: int, failed_index: int) -> None:
        """Make a slot visible that ends with an error; nothing after it is begun any more."""
        held = self._ranges[slot]
        assert held.first_index <= failed_index < held.end_index
        self._ranges[slot] = SlotRange(slot=slot, first_index=held.first_index, end_index=failed_index + 1)
        self.complete(slot)
        self.failed_index = failed_index if self.failed_index is None else min(failed_index, self.failed_index)

    def move_cursor(self, cursor: int) -> list[int]:
        """Take the readers' lowest cursor; give the slots that are free by it."""
        self._cursor = max(self._cursor, cursor)
        freed = [
            slot
            for slot, held in self._ranges.items()
            if self._states[slot] is SlotState.READY and held.end_index <= self._cursor
        ]
        for slot in freed:
            self._states[slot] = SlotState.FREE
            del self._ranges[slot]
        return freed
