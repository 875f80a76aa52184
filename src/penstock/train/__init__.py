"""The training loop and its checkpoints."""

from __future__ import annotations
