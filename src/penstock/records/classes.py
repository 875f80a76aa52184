"""Objects of a class of storage."""

from __future__ import annotations

from penstock.records.codec import Part

__all__ = ["ClassSize"]


class ClassSize(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many objects are of a class of storage, and their bytes together."""

    num_objects: int
    size_bytes: int
