"""Saved positions in a mix, and whether they can be taken up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from penstock.errors import CheckpointMismatch

__all__ = ["check_mixed_position"]

MOST_EPOCH: Final = 2**31 - 1
_FIX: Final = "go on with the mix that the position was saved of, or begin anew"
_NO_POSITION: Final = "what is loaded is no saved position in a mix"
_GIVE: Final = "give what state_dict() gave, as it was"


def check_mixed_position(state: Any, mine: Mapping[str, Any], *, sizes: Sequence[int], num_samples: int) -> None:
    """Refuse what is no position in this mix; positions of members are looked at by their streams.

    Args:
        mine: a position of the mix that is to take it up.
        sizes: samples of a round of each member on this rank.
        num_samples: of an epoch on this rank.

    Raises:
        CheckpointMismatch: it is of another mix or version, or of another number of ranks in the middle of an epoch,
            or damaged.
    """
    if not isinstance(state, Mapping) or any(name not in state for name in mine):
        raise CheckpointMismatch(_NO_POSITION, fix=_GIVE)
    position = state["position"]
    for name, told in (("version", "version"), ("mix", "mix"), ("world_size", "number of ranks")):
        if state[name] != mine[name] and (name != "world_size" or position or not _is_count(state[name], 1)):
            raise CheckpointMismatch(
                f"the saved position is of another {told} ({str(state[name])[:12]}, here {str(mine[name])[:12]})",
                fix=_FIX,
            )
    if not _is_count(position, 0, num_samples - 1):
        raise CheckpointMismatch(f"the saved position is {str(position)[:60]!r}, not in an epoch of this mix", fix=_FIX)
    if not _is_count(state["epoch"], 0):
        raise CheckpointMismatch(f"the saved position is in epoch {str(state['epoch'])[:60]!r}", fix=_GIVE)
    members = state["members"]
    if not isinstance(members, list | tuple):
        raise CheckpointMismatch(f"the saved position is of members {str(members)[:60]!r}", fix=_GIVE)
    if len(members) != (len(sizes) if position else 0):
        raise CheckpointMismatch(f"the saved position is of {len(members)} members", fix=_FIX)
    for number, (member, size) in enumerate(zip(members, sizes, strict=False)):
        if not _is_member(member, size):
            raise CheckpointMismatch(f"the saved position is no position of member {number} (from 0)", fix=_GIVE)


def _is_member(member: Any, size: int) -> bool:
    if not isinstance(member, Mapping) or not isinstance(member.get("stream"), Mapping):
        return False
    first: Any = member.get("first")
    used: Any = member.get("used")
    return _is_count(first, 0, size) and _is_count(used, 0, size - first)


def _is_count(value: Any, least: int, most: int = MOST_EPOCH) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
