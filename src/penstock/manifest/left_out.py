"""What a listing leaves out, gathered: all of it is counted, and the first of each reason named."""

from __future__ import annotations

from collections import Counter

from penstock.manifest.schema import SkippedObject
from penstock.texts import counted

__all__ = ["NOT_WANTED", "LeftOutObjects", "was_asked"]

NOT_WANTED = "not as where asks"
"""Reason of what a person asked to have left out."""

_ASKED = (NOT_WANTED, "not like ", "not of the split ", "not of the classes asked for", "beyond max-files")
"""What reasons begin with that are a person's own choice."""

NAMED_OBJECTS = 100
"""Most objects that are named for one reason."""


def was_asked(reason: str) -> bool:
    """Tell whether a reason is that a person asked for others."""
    return reason.startswith(_ASKED)


class LeftOutObjects:
    """Objects that are left out, by reason."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._named: list[SkippedObject] = []

    def add(self, key: str, reason: str) -> None:
        """Take one in."""
        self._counts[reason] += 1
        if self._counts[reason] <= NAMED_OBJECTS:
            self._named.append(SkippedObject(object=key, reason=reason))

    def told(self) -> list[SkippedObject]:
        """Return names, and how many more there are."""
        more = {reason: count - NAMED_OBJECTS for reason, count in self._counts.items() if count > NAMED_OBJECTS}
        return sorted(self._named, key=lambda item: item.object) + [
            SkippedObject(object=counted(number, "more object"), reason=reason, count=number)
            for reason, number in more.items()
        ]
