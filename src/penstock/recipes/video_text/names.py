"""Names and sizes of the networks of videos and captions, without torch."""

from __future__ import annotations

from typing import Final

__all__ = ["MODEL_NAMES", "NUMBERS"]

MODEL_NAMES: Final = ("frozen", "trained")
NUMBERS: Final = 64
"""That stand for a video, and for a caption."""
