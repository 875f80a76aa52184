"""Saved positions in a mix, and whether they can be taken up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from penstock.errors import CheckpointMismatch

__all__ = ["check_mixed_position", "check_passed"]

MOST_EPOCH: Final = 2**31 - 1
MOST_GIVEN: Final = 2**62
_FIX: Final = "go on with the mix that the position was saved of, or begin anew"
_NO_POSITION: Final = "what is loaded is no saved position in a mix"
_GIVE: Final = "give what state_dict() gave, as it was"


def check_mixed_position(state: Any, mine: Mapping[str, Any]) -> None:
    """Refuse what is no position in this mix.

    Args:
        mine: a position of the mix that is to take it up.

    Raises:
        CheckpointMismatch: it is of another mix or version, or damaged.
    """
    if not isinstance(state, Mapping) or "mix" not in state or "version" not in state:
        raise CheckpointMismatch(_NO_POSITION, fix=_GIVE)
    for name in ("version", "mix"):
        if state[name] != mine[name]:
            told = f"another {name} ({str(state[name])[:12]}, here {str(mine[name])[:12]})"
            raise CheckpointMismatch(f"the saved position is of {told}", fix=_FIX)
    if missing := [name for name in mine if name not in state]:
        raise CheckpointMismatch(f"{_NO_POSITION}: it lacks {', '.join(missing)}", fix=_GIVE)
    if not _is_count(state["epoch"], MOST_EPOCH):
        raise CheckpointMismatch(f"the saved position is in epoch {str(state['epoch'])[:60]!r}", fix=_GIVE)
    for name in ("passed", "given"):
        numbers = state[name]
        if not isinstance(numbers, list | tuple) or len(numbers) != len(mine[name]):
            raise CheckpointMismatch(f"the saved position has {name} {str(numbers)[:60]!r}", fix=_GIVE)
        if not all(_is_count(each, MOST_GIVEN) for each in numbers):
            raise CheckpointMismatch(f"the saved position has {name} {str(numbers)[:60]!r}", fix=_GIVE)


def check_passed(passed: Sequence[int], counts: Sequence[int]) -> None:
    """Refuse a position behind what an epoch has.

    Raises:
        CheckpointMismatch: it is.
    """
    for number, (each, count) in enumerate(zip(passed, counts, strict=True)):
        if each > count:
            raise CheckpointMismatch(
                f"the saved position is behind {each} samples of member {number} (from 0), of {count} in the epoch",
                fix=_GIVE,
            )


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
