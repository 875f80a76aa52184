"""Train on datasets bigger than the disk, straight from where they lie."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.stream import Stream

__all__ = ["Stream", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import ``Stream``, and torch with it, when it is asked for."""
    if name == "Stream":
        return importlib.import_module("penstock.stream").Stream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
