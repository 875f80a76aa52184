"""Names and sizes of the transformers, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["SIZES", "Size"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How large a transformer is.

    Attributes:
        width: numbers that a token is, a multiple of 2 * ``num_heads``.
        num_layers: of attention and a feed-forward network each.
        num_heads: of each attention.
    """

    width: int
    num_layers: int
    num_heads: int


SIZES: Final = {
    "small": Size(width=128, num_layers=4, num_heads=4),
    "tiny": Size(width=64, num_layers=2, num_heads=4),
    "medium": Size(width=384, num_layers=6, num_heads=6),
    "base": Size(width=768, num_layers=12, num_heads=12),
}
"""The default first."""
