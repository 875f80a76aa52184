"""What one object's samples are."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.inspection.found import Column, Picture

__all__ = ["Peeked"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Peeked:
    """What was seen of an object.

    Attributes:
        num_samples: that were found, None where they were not counted.
        share: of the object in which they were found.
        group_bytes: largest that is fetched as one, of what was seen.
    """

    columns: tuple[Column, ...] = ()
    num_samples: int | None = None
    share: float = 1.0
    group_bytes: int = 0
    pictures: tuple[Picture, ...] = ()
    note: str = ""
