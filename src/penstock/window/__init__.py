"""The bounded place on disk between the prefetcher and the trainer."""

from __future__ import annotations
