"""Names of the EEG networks, for those who choose one without torch."""

from __future__ import annotations

from typing import Final

__all__ = ["MODEL_NAMES"]

MODEL_NAMES: Final = ("small", "eegnex")
