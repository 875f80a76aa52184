"""How an option may change when what it was given to goes on."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Change"]


class Change(StrEnum):
    """How an option may change."""

    FREE = "freely"
    LARGER = "only to more"
    FIXED = "not at all"
    NAMES = "names the job"
