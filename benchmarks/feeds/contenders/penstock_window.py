"""Penstock: a manifest, a prefetcher of its own, and its torch loader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.feeds.cellspec import CellSpec
from benchmarks.feeds.contenders import CONTENDERS
from benchmarks.feeds.contenders.penstock_manifest import manifest_path
from penstock.loader import WindowStream
from penstock.loader.collate import ReusingCollate
from penstock.loader.samples import named_decoding
from penstock.manifest import Described, ManifestReader
from penstock.options.window import ServingOptions
from penstock.records import Plan, Shuffle
from penstock.window import Prefetcher

CONFIG = (
    "Prefetcher(folder, limit) as a child process with its default options; WindowStream(num_workers=0), "
    "the batch made by the trainer's process; manifest made before the clock starts, as by `penstock list`"
)


def raw(data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
    """Return the bytes as they are."""
    return [{"inputs": np.frombuffer(data, dtype=np.uint8)}]


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[torch.Tensor]]:
    """Return the batches of one epoch."""
    manifest = manifest_path(cell.data, CONTENDERS[cell.contender].layout, cell.endpoint)
    with Prefetcher(cell.cache_folder, ServingOptions(window_size=cell.limit_bytes)):
        with ManifestReader(manifest) as reader:
            info = reader.info
        shuffle: Shuffle = "none" if cell.contender.endswith("-inorder") else "full"
        plan = Plan(manifest_fingerprint=info.fingerprint, seed=0, num_lanes=64, shuffle=shuffle, mix=1)
        stream = WindowStream(
            folder=cell.cache_folder,
            manifest=manifest,
            info=info,
            plan=plan,
            splits=[("train", True)],
            decoding=named_decoding(raw, transform=None, collate=ReusingCollate()),
            batch_size=cell.batch_size,
            num_epochs=1,
        )
        yield (batch.data["inputs"] for batch in stream.segment(0).epoch(0))
        stream.close()
