"""The torch side of the window: batches with a resumable state."""

from __future__ import annotations

from penstock.loader.decoding import ByKey, Decoding
from penstock.loader.protocols import Batch, BatchLoader, LoaderState
from penstock.loader.segments import SegmentLoader
from penstock.loader.stream import WindowStream

__all__ = [
    "Batch",
    "BatchLoader",
    "ByKey",
    "Decoding",
    "LoaderState",
    "SegmentLoader",
    "WindowStream",
]
