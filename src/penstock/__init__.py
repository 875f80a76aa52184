"""Train on datasets bigger than the disk, straight from where they lie."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
