"""Datasets: what lies in a source, in which format, and which part of it; nothing is read before it is asked for.

ds = penstock.parquet("s3://bucket/tables", columns=["text", "label"])
train, valid = ds.split(valid=0.2)
with train.loader(64, window="2Gi", workers=2) as loader:
    for epoch in range(10):
        for batch in loader:
            ...
"""

from __future__ import annotations

from penstock.dataset.described import Dataset
from penstock.dataset.making import jsonl, objects, of_format, parquet, tar, text, zip  # noqa: A004
from penstock.dataset.mixing import Mixed, mix
from penstock.dataset.of_tasks import eeg, images
from penstock.dataset.opening import open  # noqa: A004

__all__ = ["Dataset", "Mixed", "eeg", "images", "jsonl", "mix", "objects", "of_format", "open"]
__all__ += ["parquet", "tar", "text", "zip"]
