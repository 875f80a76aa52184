"""How a bound in bytes is cut into slots: pure arithmetic, done before anything is allocated.

The bound holds by construction: slots, control file, cursors, the session's own file and whatever else lies in
the folder are all counted, and none of them ever grows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from penstock.errors import WindowTooSmall
from penstock.units import KIB, MIB, format_bytes

__all__ = ["CONTROL_HEADER_BYTES", "ENTRY_BYTES", "Geometry", "plan_geometry", "slot_capacity", "slots_for_batch"]

PAGE_BYTES = 4096
CONTROL_HEADER_BYTES = 4096
ENTRY_BYTES = 64
CURSOR_BYTES = 4096
FIXED_BYTES = 64 * KIB
"""Session file, lock, socket and the folder itself, with room to spare."""
SLOT_TAIL_BYTES = 1 * KIB
"""Kept free at a slot's end, so that an error always has room for its text."""
EXTENT_OVERHEAD_BYTES = 16 * KIB
"""Most that an extent's table entry, its description with its codec, and its alignment take in a slot, unless a
manifest says that the description takes more."""
ENTRY_ROOM_BYTES = 256
LARGEST_TARGET_BYTES = 8 * MIB
SMALLEST_TARGET_BYTES = 64 * KIB
TARGET_SLOTS = 16
KEEPING_TARGET_SLOTS = 144
KEEPING_FEWEST_SLOTS = 48
"""Slots are smaller where most of the window is kept, so that enough are left to stream through; how many they are is
between these, for slots of KEEPING_SLOT_EXTENTS extents at least."""
KEEPING_SLOT_EXTENTS = 8
KEEPING_LEAST_EXTENTS = 4
KEPT_SHARE = 0.87
"""Of the window, where extents are read more than once and do not all fit; the rest streams."""
STREAMING_SLOTS = 4
"""Slots that streaming goes on with beyond those of a batch, before anything is kept."""
_OF_MANY = " (what is fetched as one and has many samples, like a row group or a block of rows)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """A window's shape.

    Attributes:
        num_slots: slots, all of one size.
        slot_bytes: size of a slot, a whole number of pages.
        batch_slots: slots that must be had at once for readers to go on.
        kept_area_bytes: size of the kept part behind the slots, 0 where nothing is kept from the beginning.
        keepable_bytes: the most of the slots' bytes that may become a kept part, from the last slot on.
        total_bytes: the most that the window's files take together.
    """

    num_slots: int
    slot_bytes: int
    batch_slots: int
    kept_area_bytes: int
    keepable_bytes: int
    total_bytes: int


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step


def _target_bytes(window_bytes: int, num_slots: int = TARGET_SLOTS) -> int:
    target = min(max(window_bytes // num_slots, SMALLEST_TARGET_BYTES), LARGEST_TARGET_BYTES)
    return target // PAGE_BYTES * PAGE_BYTES


def slot_capacity(window_bytes: int) -> int:
    """Return the most slots that a window of that bound is ever cut into; its control file has as many entries."""
    return window_bytes // _target_bytes(window_bytes, KEEPING_TARGET_SLOTS)


def slots_for_batch(slot_bytes: int, need_bytes: int, batch_extents: int) -> int:
    """Return the slots that a batch can straddle when each extent takes up to ``need_bytes``."""
    if batch_extents <= 1:
        return 1
    per_slot = max(1, (slot_bytes - SLOT_TAIL_BYTES) // need_bytes)
    return -(-(batch_extents - 1) // per_slot) + 1


@dataclass(frozen=True, slots=True)
class _Needs:
    max_extent_bytes: int
    batch_extents: int
    num_ranks: int
    reserved_bytes: int
    max_description_bytes: int
    holds_many: bool = False
    keeping: bool = False

    def of(self, window_bytes: int) -> tuple[int, int, int]:
        """Return a slot's size, the slots of a batch and what all other files take, in a window of that bound.

        A cursor is counted twice: the new one is there before the old one goes.
        """
        head_bytes = max(EXTENT_OVERHEAD_BYTES, self.max_description_bytes + ENTRY_ROOM_BYTES)
        need_bytes = self.max_extent_bytes + head_bytes
        least = _round_up(need_bytes + SLOT_TAIL_BYTES, PAGE_BYTES)
        slot_bytes = max(least, self._target_bytes(window_bytes, need_bytes))
        batch_slots = slots_for_batch(slot_bytes, need_bytes, self.batch_extents)
        control = CONTROL_HEADER_BYTES + _round_up(slot_capacity(window_bytes) * ENTRY_BYTES, PAGE_BYTES)
        cursors = 2 * self.num_ranks * CURSOR_BYTES
        return slot_bytes, batch_slots, FIXED_BYTES + control + cursors + self.reserved_bytes

    def _target_bytes(self, window_bytes: int, need_bytes: int) -> int:
        if not self.keeping:
            return _target_bytes(window_bytes)
        some_extents = _round_up(KEEPING_SLOT_EXTENTS * need_bytes, PAGE_BYTES)
        target = max(
            _target_bytes(window_bytes, KEEPING_TARGET_SLOTS),
            min(_target_bytes(window_bytes, KEEPING_FEWEST_SLOTS), some_extents),
        )
        # Slots of a few large extents are half empty, and reading ahead comes before keeping.
        return target if target >= KEEPING_LEAST_EXTENTS * need_bytes else _target_bytes(window_bytes)

    def smallest_window(self, too_small_bytes: int) -> int:
        """Return the least bound, a whole number of MiB, that holds what is needed."""
        too_small, enough = too_small_bytes // MIB, too_small_bytes // MIB + 1
        while not self.fit(enough * MIB):
            too_small, enough = enough, enough * 2
        # Larger slots may hold less well what is needed, but a larger bound never does.
        while enough - too_small > 1:
            middle = (enough + too_small) // 2
            too_small, enough = (too_small, middle) if self.fit(middle * MIB) else (middle, enough)
        return enough * MIB

    def fit(self, window_bytes: int) -> bool:
        """Tell whether a window of that bound holds what is needed at once."""
        slot_bytes, batch_slots, fixed_bytes = self.of(window_bytes)
        return (window_bytes - fixed_bytes) // slot_bytes >= batch_slots


def plan_geometry(
    *,
    window_bytes: int,
    max_extent_bytes: int,
    max_description_bytes: int = 0,
    batch_extents: int = 1,
    num_ranks: int = 1,
    reserved_bytes: int = 0,
    keep_bytes: int = 0,
    keeps_at_once: bool = False,
    holds_many: bool = False,
) -> Geometry:
    """Cut a bound into slots.

    Args:
        window_bytes: the bound, for all of the window's files together.
        max_extent_bytes: the largest extent of the manifest.
        max_description_bytes: the most that an extent's description takes with its codec.
        batch_extents: extents that readers need in the window at the same time.
        num_ranks: readers, a cursor file each.
        reserved_bytes: other files in the window's folder, such as a handed-over manifest.
        keep_bytes: what keeping every extent would take; 0 where extents are read only once.
        keeps_at_once: keep what there is room for, whatever reading ahead needs beyond what is needed at once.
        holds_many: whether extents have many samples; for messages.

    Raises:
        WindowTooSmall: one extent, or one batch, does not fit.
    """
    needs = _Needs(max_extent_bytes, batch_extents, num_ranks, reserved_bytes, max_description_bytes, holds_many)
    slot_bytes, batch_slots, fixed_bytes = needs.of(window_bytes)
    num_slots = max(0, window_bytes - fixed_bytes) // slot_bytes
    if num_slots < batch_slots:
        raise _too_small(window_bytes, needs, batch_extents if num_slots else 1)
    kept_bytes = keepable_bytes = 0
    if keep_bytes:
        keeping = replace(needs, keeping=True).of(window_bytes)
        spare_bytes = window_bytes - keeping[2] - (keeping[1] + STREAMING_SLOTS) * keeping[0]
        whole_bytes = -(-keep_bytes // PAGE_BYTES) * PAGE_BYTES  # the last page too, or the last extents are not kept
        # Where all of it is kept nothing streams once it is there, and slots hold no more than heads.
        most_bytes = whole_bytes if whole_bytes <= spare_bytes else min(spare_bytes, int(window_bytes * KEPT_SHARE))
        kept_bytes = most_bytes // PAGE_BYTES * PAGE_BYTES
        if kept_bytes > max_extent_bytes:
            slot_bytes, batch_slots, fixed_bytes = keeping
            if kept_bytes < whole_bytes and not keeps_at_once:
                kept_bytes, keepable_bytes = 0, kept_bytes
            num_slots = (window_bytes - fixed_bytes - kept_bytes) // slot_bytes
        else:
            kept_bytes = 0
    return Geometry(
        num_slots=num_slots,
        slot_bytes=slot_bytes,
        batch_slots=batch_slots,
        kept_area_bytes=kept_bytes,
        keepable_bytes=keepable_bytes,
        total_bytes=fixed_bytes + num_slots * slot_bytes + kept_bytes,
    )


def _too_small(window_bytes: int, needs: _Needs, num_extents: int) -> WindowTooSmall:
    size = format_bytes(needs.max_extent_bytes)
    one, several = ("extent", "extents") if needs.holds_many else ("sample", "samples")
    what = f"{num_extents} {several} of up to {size} at once" if num_extents > 1 else f"one {one} of {size}"
    if needs.holds_many:
        what += _OF_MANY
    if needs.reserved_bytes:
        what += f" beside the {format_bytes(needs.reserved_bytes)} of other files in its folder"
    why, others = (", which loading workers need", ", a smaller --batch-size, or --workers 0")
    if needs.holds_many:  # all that is opened together, however few samples of it a batch has
        why, others = (", which workers and ranks share", ", or --workers 0 with one rank on a node")
    if num_extents <= needs.num_ranks:  # each rank is about its own extent, whoever decodes it
        why, others = (", one for each rank", " or fewer ranks on this node") if num_extents > 1 else ("", "")
    return WindowTooSmall(
        f"a window of {format_bytes(window_bytes)} cannot hold {what}{why}",
        fix=f"pass --window-size of at least {needs.smallest_window(window_bytes) // MIB}Mi{others}",
    )
