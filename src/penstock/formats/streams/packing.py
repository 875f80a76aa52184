"""How a part of a packed stream is unpacked alone: from a point at which unpacking can begin."""

from __future__ import annotations

import msgspec

__all__ = ["Packing", "unpacked"]


class Packing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a part of a packed stream is unpacked.

    Attributes:
        how: "gzip" or "zstd".
        skip: bytes that come before it, unpacked.
        length: bytes that it has, unpacked.
    """

    how: str
    skip: int
    length: int


def unpacked(data: bytes, packing: Packing | None, *, key: str) -> bytes:
    """Return a part's bytes."""
    return data
