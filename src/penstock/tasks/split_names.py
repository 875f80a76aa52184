"""Names that datasets have for their splits."""

from __future__ import annotations

import re
from typing import Final

from penstock.errors import ConfigError

__all__ = ["is_name", "split_names", "split_of"]

_NAME: Final = re.compile(r"\w+(\.\w+)*")

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


def is_name(name: str) -> bool:
    """Tell whether a split may be called so."""
    return _NAME.fullmatch(name) is not None


def split_names(given: str) -> tuple[str, ...]:
    """Read names of splits, joined by commas or by ``+``.

    Raises:
        ConfigError: one is none; slices are none.
    """
    names = tuple(dict.fromkeys(part.strip() for part in re.split(r"[,+]", given)))
    wrong = next((name for name in names if not is_name(name)), None)
    if wrong is not None:
        fix = "write its name, like train, or several, like train,test"
        if "[" in wrong:
            fix += "; a part of one is taken by split, or by where or match of its files"
        raise ConfigError(f"split {wrong!r} is no split's name", fix=fix)
    return names
