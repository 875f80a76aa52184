"""The torch side of the window: batches with a resumable state."""

from __future__ import annotations
