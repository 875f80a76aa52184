"""What of a source a stream does not give, and why."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.manifest import SkippedObject, was_asked

__all__ = ["LeftOut", "left_out_of", "warn_of", "warn_of_shard"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """Objects that the listing left out for one reason.

    Attributes:
        reason: such as "empty", "not like \\*.jpg" or "a named pipe (FIFO), not a file".
        count: of them.
        keys: of the first 100 of them, sorted; none of objects that ``match`` does not take.
    """

    reason: str
    count: int
    keys: tuple[str, ...]


def left_out_of(skipped: Sequence[SkippedObject]) -> tuple[LeftOut, ...]:
    """Gather by reason, in the order that reasons come in."""
    keys: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for item in skipped:
        named = [item.object] if item.count is None else []
        keys.setdefault(item.reason, []).extend(named)
        counts[item.reason] = counts.get(item.reason, 0) + (1 if item.count is None else item.count)
    return tuple(
        LeftOut(reason=reason, count=counts[reason], keys=tuple(sorted(each))) for reason, each in keys.items()
    )


def warn_of(skipped: Sequence[SkippedObject]) -> None:
    """Say that not everything that was asked for is given."""
    found = [each for each in left_out_of(skipped) if not was_asked(each.reason)]
    if found:
        told = "; ".join(
            f"{each.count} ({each.reason}){f', like {each.keys[0]}' if each.keys else ''}" for each in found
        )
        _log.warning("the listing left out %s; Stream.left_out tells all", told)


def warn_of_shard(skipped: SkippedObject) -> None:
    """Say that not all of a shard is given."""
    if not was_asked(skipped.reason):
        _log.warning("left out: %s (%s); of other shards this is not told again", skipped.object, skipped.reason)
