"""The torch side of the window: batches with a resumable state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.loader.decoding import ByKey, Decoding
    from penstock.loader.protocols import Batch, BatchLoader, LoaderState
    from penstock.loader.segments import SegmentLoader
    from penstock.loader.stream import WindowStream
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "decoding": "ByKey Decoding",
            "protocols": "Batch BatchLoader LoaderState",
            "segments": "SegmentLoader",
            "stream": "WindowStream",
        },
    )

__all__ = [
    "Batch",
    "BatchLoader",
    "ByKey",
    "Decoding",
    "LoaderState",
    "SegmentLoader",
    "WindowStream",
]
