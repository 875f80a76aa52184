"""How a bound in bytes is cut into slots: pure arithmetic, done before anything is allocated.

The bound holds by construction: slots, control file, cursors and the session's own file are all counted,
and none of them ever grows.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import WindowTooSmall
from penstock.units import KIB, MIB, format_bytes

__all__ = ["CONTROL_HEADER_BYTES", "ENTRY_BYTES", "Geometry", "plan_geometry"]

PAGE_BYTES = 4096
CONTROL_HEADER_BYTES = 4096
ENTRY_BYTES = 64
CURSOR_BYTES = 4096
FIXED_BYTES = 64 * KIB
"""Session file, lock, socket and the folder itself, with room to spare."""
SLOT_TAIL_BYTES = 1 * KIB
"""Kept free at a slot's end, so that an error always has room for its text."""
SAMPLE_OVERHEAD_BYTES = 16 * KIB
"""Most that a sample's table entry, its description and its alignment take in a slot."""
LARGEST_TARGET_BYTES = 8 * MIB
SMALLEST_TARGET_BYTES = 64 * KIB
TARGET_SLOTS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Geometry:
    """A window's shape.

    Attributes:
        num_slots: slots, all of one size.
        slot_bytes: size of a slot, a whole number of pages.
        total_bytes: the most that the window's files take together.
    """

    num_slots: int
    slot_bytes: int
    total_bytes: int


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step


def _slots_for_batch(slot_bytes: int, need_bytes: int, batch_samples: int) -> int:
    """Slots that a batch can straddle when each sample takes ``need_bytes``."""
    if batch_samples <= 1:
        return 1
    per_slot = max(1, (slot_bytes - SLOT_TAIL_BYTES) // need_bytes)
    return -(-(batch_samples - 1) // per_slot) + 1


def plan_geometry(
    *, window_bytes: int, max_sample_bytes: int, batch_samples: int = 1, num_ranks: int = 1, reserved_bytes: int = 0
) -> Geometry:
    """Cut a bound into slots.

    Args:
        window_bytes: the bound, for all of the window's files together.
        max_sample_bytes: the largest sample of the manifest.
        batch_samples: samples that readers need in the window at the same time.
        num_ranks: readers, a cursor file each.
        reserved_bytes: other files in the window's folder, such as a handed-over manifest.

    Raises:
        WindowTooSmall: one sample, or one batch, does not fit.
    """
    need_bytes = max_sample_bytes + SAMPLE_OVERHEAD_BYTES
    least = _round_up(need_bytes + SLOT_TAIL_BYTES, PAGE_BYTES)
    target = min(max(window_bytes // TARGET_SLOTS, SMALLEST_TARGET_BYTES), LARGEST_TARGET_BYTES)
    slot_bytes = max(least, target // PAGE_BYTES * PAGE_BYTES)
    fixed = FIXED_BYTES + CONTROL_HEADER_BYTES + num_ranks * CURSOR_BYTES + reserved_bytes
    num_slots = max(0, window_bytes - fixed - PAGE_BYTES) // (slot_bytes + ENTRY_BYTES)
    if num_slots < 1:
        raise WindowTooSmall(
            f"a window of {format_bytes(window_bytes)} cannot hold one sample of {format_bytes(max_sample_bytes)}",
            fix=f"pass --window-size of at least {_mebibytes(fixed + PAGE_BYTES + slot_bytes + ENTRY_BYTES)}",
        )
    wanted = _slots_for_batch(slot_bytes, need_bytes, batch_samples)
    if num_slots < wanted:
        enough = fixed + PAGE_BYTES + wanted * (slot_bytes + ENTRY_BYTES)
        raise WindowTooSmall(
            f"a window of {format_bytes(window_bytes)} cannot hold {batch_samples} samples "
            f"of up to {format_bytes(max_sample_bytes)} at once, which loading workers need",
            fix=f"pass --window-size of at least {_mebibytes(enough)}, a smaller --batch-size, or --workers 0",
        )
    return Geometry(
        num_slots=num_slots,
        slot_bytes=slot_bytes,
        total_bytes=fixed + _round_up(num_slots * ENTRY_BYTES, PAGE_BYTES) + num_slots * slot_bytes,
    )


def _mebibytes(size_bytes: int) -> str:
    return f"{-(-size_bytes // MIB)}Mi"
