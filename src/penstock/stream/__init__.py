"""A bucket or folder as batches for a training loop of one's own.

    import penstock

    with penstock.Stream("s3://bucket/images", decode=to_tensor, batch_size=64, window="2Gi") as stream:
        for epoch in range(10):
            for batch in stream:
                ...

Every object is a sample. The prefetcher is a child process that is started and ended with the stream; what it has
on disk never exceeds the window, and what the window keeps is not downloaded again in the next epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.stream.face import Stream
    from penstock.stream.left_out import LeftOut
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "face": "Stream",
            "left_out": "LeftOut",
        },
    )

__all__ = ["LeftOut", "Stream"]
