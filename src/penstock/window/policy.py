"""Which slot is used for what: a pure state machine, without bytes, clocks or files.

    FREE --begin--> FILLING --complete--> READY --move_cursor--> FREE

Packs are begun in stream order and may be completed in any; a slot is free again when every reader's cursor
has passed its last extent. Since slots are never added, the window cannot outgrow its bound.

A prefetcher that comes back to a session that is still read keeps every good slot that is not behind the cursor,
also past a gap that was being filled when it died: a reader may be looking at any of them. The gap is filled again
with the packs it had before, since packing from one index always cuts alike, so the slots that it needs are free.
Another session has no readers yet; it keeps the slots that continue its stream without a gap, as long as enough
are free for what readers need at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.window.layout import SlotState

__all__ = ["SlotRange", "WindowPolicy", "choose_adopted", "choose_kept"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotRange:
    """Stream indices that a slot holds: from ``first_index`` until before ``end_index``.

    Attributes:
        has_error: whether its last extent is an error, which ends the stream.
    """

    slot: int
    first_index: int
    end_index: int
    has_error: bool = False


def choose_adopted(found: Iterable[SlotRange], start_index: int, *, at_most: int | None = None) -> list[SlotRange]:
    """Choose, of the slots of an earlier session, those that continue the stream from ``start_index``.

    They form a chain without a gap; whatever lies behind a gap, before the start or behind an error is not kept.
    """
    chain: list[SlotRange] = []
    wanted = start_index
    for held in sorted(found, key=lambda item: item.first_index):
        if at_most is not None and len(chain) >= at_most:
            break
        if held.first_index <= wanted < held.end_index and not held.has_error:
            chain.append(held)
            wanted = held.end_index
    return chain


def choose_kept(found: Iterable[SlotRange], start_index: int) -> list[SlotRange]:
    """Choose, of the slots of the same session, all that a reader may still be looking at."""
    kept: list[SlotRange] = []
    for held in sorted(found, key=lambda item: item.first_index):
        if held.end_index > start_index and (not kept or held.first_index >= kept[-1].end_index):
            kept.append(held)
    return kept


class WindowPolicy:
    """State of every slot, and where the stream stands.

    Attributes:
        next_index: first stream index that no slot was begun for.
        failed_index: stream index of the first extent whose error ends the stream, None while there is none.
    """

    def __init__(self, num_slots: int, *, start_index: int, end_index: int, adopted: Sequence[SlotRange] = ()) -> None:
        self._num_slots = num_slots
        self._states = [SlotState.FREE] * num_slots
        self._ranges: dict[int, SlotRange] = {}
        self._by_end: list[tuple[int, int]] = []
        self._cursor = start_index
        self._end_index = end_index
        self.failed_index: int | None = None
        self.next_index = start_index
        for held in adopted:
            self._states[held.slot] = SlotState.READY
            self._hold(held)
            if held.has_error:
                self._fail_at(held.end_index - 1)
        # From the end: the first slots are used first, since their blocks are reserved first.
        self._free = [slot for slot in reversed(range(num_slots)) if slot not in self._ranges]
        self._ahead = sorted(adopted, key=lambda held: held.first_index, reverse=True)
        self._skip_adopted()

    @property
    def cursor(self) -> int:
        """Stream index below which no reader needs anything any more."""
        return self._cursor

    @property
    def settled_index(self) -> int:
        """Stream index below which no reader needs anything any more, and nothing is on its way either."""
        return min(self._cursor, self.ready_index)

    @property
    def ready_index(self) -> int:
        """Stream index below which everything is ready."""
        filling = [held.first_index for slot, held in self._ranges.items() if self._states[slot] is SlotState.FILLING]
        return min([self.next_index, *filling])

    @property
    def wants_more(self) -> bool:
        """Whether there are extents left to begin a slot for."""
        end = self._end_index if self.failed_index is None else min(self._end_index, self.failed_index)
        return self.next_index < end

    @property
    def limit_index(self) -> int:
        """Stream index before which the next pack has to end: an adopted slot goes on from there."""
        return min(self._ahead[-1].first_index, self._end_index) if self._ahead else self._end_index

    def retire(self, num_slots: int) -> bool:
        """Use no slot from ``num_slots`` on any more; tell whether all of them are free by now."""
        self._num_slots = num_slots
        self._free = [slot for slot in self._free if slot < num_slots]
        return all(slot < num_slots for slot in self._ranges)

    def state(self, slot: int) -> SlotState:
        """Return a slot's state."""
        return self._states[slot]

    def free_slot(self) -> int | None:
        """Return a slot that may be begun, or None."""
        return self._free[-1] if self._free else None

    def begin(self, slot: int, *, first_index: int, end_index: int) -> None:
        """Begin to fill a slot with the next extents of the stream."""
        assert slot == self.free_slot()
        assert first_index == self.next_index < end_index <= self.limit_index
        self._free.pop()
        self._states[slot] = SlotState.FILLING
        self._hold(SlotRange(slot=slot, first_index=first_index, end_index=end_index))
        self.next_index = end_index
        self._skip_adopted()

    def complete(self, slot: int) -> None:
        """Make a filled slot visible."""
        assert self._states[slot] is SlotState.FILLING
        self._states[slot] = SlotState.READY

    def fail(self, slot: int, failed_index: int) -> None:
        """Make a slot visible that ends with an error; nothing after it is begun any more."""
        held = self._ranges[slot]
        assert held.first_index <= failed_index < held.end_index
        self._ranges[slot] = SlotRange(
            slot=slot, first_index=held.first_index, end_index=failed_index + 1, has_error=True
        )
        self.complete(slot)
        self._fail_at(failed_index)

    def move_cursor(self, cursor: int) -> list[int]:
        """Take the readers' lowest cursor; give the slots that are free by it."""
        self._cursor = max(self._cursor, cursor)
        freed, filling = [], []
        while self._by_end and self._by_end[0][0] <= self._cursor:
            end, slot = heapq.heappop(self._by_end)
            if self._states[slot] is SlotState.FILLING:
                # Passed unread: a part that no rank is given. Its fetch still writes into the slot.
                filling.append((end, slot))
                continue
            self._states[slot] = SlotState.FREE
            if slot < self._num_slots:
                self._free.append(slot)
            del self._ranges[slot]
            freed.append(slot)
        for item in filling:
            heapq.heappush(self._by_end, item)
        return freed

    def _hold(self, held: SlotRange) -> None:
        self._ranges[held.slot] = held
        heapq.heappush(self._by_end, (held.end_index, held.slot))

    def _fail_at(self, index: int) -> None:
        self.failed_index = index if self.failed_index is None else min(index, self.failed_index)

    def _skip_adopted(self) -> None:
        while self._ahead and self._ahead[-1].first_index <= self.next_index:
            self.next_index = max(self.next_index, self._ahead.pop().end_index)
