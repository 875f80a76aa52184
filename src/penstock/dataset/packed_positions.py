"""Saved positions of packed datasets, and whether they can be taken up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from penstock.errors import CheckpointMismatch
from penstock.plan.ranks import Ranks

__all__ = ["MOST_LANES", "Saved", "check_lanes", "check_saved"]

_GIVE: Final = "give what state_dict() gave, as it was"
_COUNTS: Final = ("rank", "world_size", "num_lanes", "epoch", "given")
_MOST: Final = 2**62

MOST_LANES: Final = 2**16


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A saved position.

    Attributes:
        states: this rank's own where there were as many ranks as there are now, else those of all that there were.
        is_alike: whether there were as many.
        given: sequences of the epoch, of all ranks.
        is_begun: whether any batch of the epoch was given.
    """

    states: Sequence[Mapping[str, Any]]
    is_alike: bool
    num_lanes: int
    epoch: int
    given: int
    is_begun: bool


def check_saved(given: Any, *, version: int, name: str, ranks: Ranks) -> Saved:
    """Refuse what is no position of this packed dataset.

    Args:
        given: a state, or those of all ranks.
        name: of what is packed, and how.

    Raises:
        CheckpointMismatch: it is of another one, of another rank, or damaged.
    """
    states = [given] if isinstance(given, Mapping) else list(given) if isinstance(given, list | tuple) else []
    if not states:
        raise CheckpointMismatch(f"what is loaded is of type {type(given).__name__}", fix=_GIVE)
    for state in states:
        _check(state, version, name)
    first = states[0]
    for other in states[1:]:
        if any(other[key] != first[key] for key in ("world_size", "num_lanes", "epoch", "given")):
            raise CheckpointMismatch("the saved positions of ranks are of other steps", fix="give those of one step")
    return _of_ranks(states, ranks)


def _of_ranks(states: list[Any], ranks: Ranks) -> Saved:
    first, by_rank = states[0], {state["rank"]: state for state in states}
    is_alike = first["world_size"] == ranks.world_size
    if is_alike and ranks.rank in by_rank:
        states = [by_rank[ranks.rank]]
    elif is_alike or set(by_rank) != set(range(first["world_size"])) or len(by_rank) != len(states):
        of = ", ".join(map(str, sorted(by_rank)))
        raise CheckpointMismatch(
            f"the saved position is of rank {of} of {first['world_size']}, and this is rank {ranks.rank} of "
            f"{ranks.world_size}",
            fix="each rank has a position of its own: load what this rank saved, or a list of what all ranks saved",
        )
    return Saved(
        states=states,
        is_alike=is_alike,
        num_lanes=first["num_lanes"],
        epoch=first["epoch"],
        given=first["given"],
        is_begun=bool(first["is_begun"]),
    )


def _check(state: Any, version: int, name: str) -> None:
    if not isinstance(state, Mapping) or "packed" not in state or "version" not in state:
        raise CheckpointMismatch("what is loaded is no saved position of a packed dataset", fix=_GIVE)
    if state["version"] != version:
        raise CheckpointMismatch(
            f"the saved position is of version {str(state['version'])[:12]}, not {version}", fix=_GIVE
        )
    if state["packed"] != name:
        raise CheckpointMismatch(
            "the saved position is of another packing, tokenizer or template",
            fix="go on with those that it was saved with, or begin anew",
        )
    names = (*_COUNTS, "is_begun", "documents", "lanes", "ready")
    if missing := [each for each in names if each not in state]:
        raise CheckpointMismatch(f"the saved position lacks {', '.join(missing)}", fix=_GIVE)
    for each in _COUNTS:
        value = state[each]
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
            raise CheckpointMismatch(f"the saved position has {each} {str(value)[:60]!r}", fix=_GIVE)
    if not 0 < state["num_lanes"] <= MOST_LANES or not 0 <= state["rank"] < state["world_size"]:
        told = f"{state['num_lanes']} lanes of packing, rank {state['rank']} of {state['world_size']}"
        raise CheckpointMismatch(f"the saved position has {told}", fix=_GIVE)
    pairs = state["ready"] if isinstance(state["ready"], list | tuple) else [None]
    if not isinstance(state["lanes"], Mapping) or not all(
        isinstance(each, list | tuple) and len(each) == 2 for each in pairs
    ):
        raise CheckpointMismatch("the saved position is damaged", fix=_GIVE)


def check_lanes(states: Sequence[Mapping[str, Any]]) -> None:
    """Refuse positions that lack lanes of their ranks, or have lanes of others.

    Raises:
        CheckpointMismatch: one is damaged.
    """
    for state in states:
        own = {str(each) for each in range(state["rank"], state["num_lanes"], state["world_size"])}
        are_own = all(str(number) in own for number, _ in state["ready"])
        if state["lanes"].keys() != own or not are_own or not isinstance(state["is_begun"], bool):
            raise CheckpointMismatch("the saved position is damaged", fix=_GIVE)
