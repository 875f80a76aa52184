"""Metrics and plots of a checkpoint."""

from __future__ import annotations
