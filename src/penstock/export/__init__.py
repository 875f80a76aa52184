"""Trained networks as files that others run without Penstock."""

from __future__ import annotations

from penstock.export.neurips2025 import Exported, write_submission

__all__ = ["Exported", "write_submission"]
