"""Names that datasets have for their splits."""

from __future__ import annotations

from typing import Final

__all__ = ["split_of"]

_SPLITS: Final = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


def split_of(name: str) -> str:
    """Return the split that a folder's name, or a cell, stands for; empty where it stands for none."""
    return _SPLITS.get(name.lower(), "")
