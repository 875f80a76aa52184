"""Saved positions in the data, and whether they can be taken up."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from penstock.errors import CheckpointMismatch
from penstock.loader.protocols import LoaderState
from penstock.records.plan import BlockShuffle, Order, Repeat, Shuffle

__all__ = ["check_is_position", "checked_position"]

MOST_INDEX = 2**63 - 1
_FIX = "go on with the dataset, the order and the seed that it was saved with, or begin anew"
_DIGITS = 12


def check_is_position(state: object) -> None:
    """Refuse what is no saved position at all.

    Raises:
        CheckpointMismatch: it is none.
    """
    if not isinstance(state, Mapping):
        told = f"is of type {type(state).__name__}"
    elif missing := [name for name in ("version", "next_index", "manifest_fingerprint", "order") if name not in state]:
        told = f"lacks {', '.join(missing)}"
    else:
        return
    raise CheckpointMismatch(
        f"what is loaded is no saved position in the data: it {told}", fix="give what state_dict() gave, as it was"
    )


def checked_position(state: LoaderState, mine: LoaderState) -> int:
    """Return the stream index of a saved position.

    Args:
        mine: the position of the stream that is to take it up, whose other fields must be the same.

    Raises:
        CheckpointMismatch: it is of another plan, order, batch size or version, or no position in a stream; all that
            differs is named.
    """
    check_is_position(state)
    if differences := list(_differences(state, mine)):
        raise CheckpointMismatch(
            f"the saved position in the data is of another {'; another '.join(differences)}", fix=_FIX
        )
    index: Any = state["next_index"]
    try:
        number = -1 if isinstance(index, bool) else operator.index(index)
    except TypeError:
        number = -1
    if not 0 <= number <= MOST_INDEX:
        raise CheckpointMismatch(f"the saved position in the data is {str(index)[:60]!r}, not a stream index", fix=_FIX)
    return number


def _differences(state: LoaderState, mine: LoaderState) -> Iterator[str]:
    """Name what a saved position and a stream's own differ in, with both values."""
    if state["version"] != mine["version"]:
        yield _told("version of saved positions", state["version"], mine["version"])
        return
    orders = _order_differences(state["order"], mine["order"]) if state["order"] != mine["order"] else []
    yield from orders
    if state["manifest_fingerprint"] != mine["manifest_fingerprint"]:
        # Of its content: what was listed, with sizes, versions and the pattern that they fit.
        yield _told("manifest fingerprint, so another dataset", *_short(state, mine, "manifest_fingerprint"))
    elif not orders and state.get("plan_fingerprint") != mine["plan_fingerprint"]:
        yield _told("plan", *_short(state, mine, "plan_fingerprint"))
    if state.get("batch_size") != mine["batch_size"]:
        yield _told("batch size", state.get("batch_size"), mine["batch_size"])


def _order_differences(saved: Any, own: Any) -> list[str]:
    try:
        before, now = (msgspec.json.decode(each, type=Order) for each in (saved, own))
    except (TypeError, msgspec.MsgspecError):
        return [_told("order", saved, own)]
    found = []
    if before.seed != now.seed:
        found.append(_told("seed", before.seed, now.seed))
    names = [[part.split for part in order.segments] for order in (before, now)]
    if names[0] != names[1]:
        return [*found, _told("sequence of splits", *(" and ".join(each) for each in names))]
    for one, other in zip(before.segments, now.segments, strict=True):
        if one.num_samples != other.num_samples:
            found.append(_told(f"number of samples in {one.split}", one.num_samples, other.num_samples))
        if one.repeat != other.repeat:
            found.append(_told("repeated parts", _repeat(one.repeat), _repeat(other.repeat)))
        if one.mix != other.mix:
            found.append(_told(f"number of extents that are mixed in {one.split}", one.mix, other.mix))
        if one.shuffle != other.shuffle:
            found.append(_told("shuffle", _shuffle(one.shuffle), _shuffle(other.shuffle)))
    return found


def _repeat(repeat: Repeat | None) -> str:
    return "none" if repeat is None else f"of {repeat.part_extents}, {repeat.passes} times each"


def _shuffle(shuffle: Shuffle) -> str:
    if isinstance(shuffle, BlockShuffle):
        return f"block of {shuffle.block_samples} samples, {shuffle.blocks_mixed} mixed"
    return shuffle


def _short(state: LoaderState, mine: LoaderState, name: str) -> tuple[str, str]:
    return str(state.get(name))[:_DIGITS], str(mine[name])[:_DIGITS]


def _told(what: str, before: object, now: object) -> str:
    return f"{what} ({str(before)[:60]}, now {str(now)[:60]})"
