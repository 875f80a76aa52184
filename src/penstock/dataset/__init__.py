"""Datasets: what lies in a source, in which format, and which part of it; nothing is read before it is asked for.

ds = penstock.parquet("s3://bucket/tables", columns=["text", "label"])
train, valid = ds.split(valid=0.2)
with train.loader(64, window="2Gi", workers=2) as loader:
    for epoch in range(10):
        for batch in loader:
            ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.dataset.described import Dataset
    from penstock.dataset.making import jsonl, objects, of_format, parquet, tar, text, zip  # noqa: A004
    from penstock.dataset.mixing import Mixed, mix
    from penstock.dataset.of_eeg import eeg
    from penstock.dataset.of_tasks import clips, images, xray
    from penstock.dataset.of_videos import video_text
    from penstock.dataset.opening import open  # noqa: A004

__all__ = ["Dataset", "Mixed", "clips", "eeg", "images", "jsonl", "mix", "objects", "of_format", "open"]
__all__ += ["parquet", "tar", "text", "video_text", "xray", "zip"]

if not TYPE_CHECKING:
    # Rows of Parquet need nothing of EEG, pictures, mixes and files that describe them.
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "described": "Dataset",
            "making": "jsonl objects of_format parquet tar text zip",
            "mixing": "Mixed mix",
            "of_eeg": "eeg",
            "of_tasks": "clips images xray",
            "of_videos": "video_text",
            "opening": "open",
        },
    )
