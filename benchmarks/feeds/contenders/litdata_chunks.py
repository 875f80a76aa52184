"""LitData: chunks made by ``optimize``, read by StreamingDataset and StreamingDataLoader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import litdata.streaming.downloader as downloader
import torch
from litdata import StreamingDataLoader, StreamingDataset

from benchmarks.feeds.cellspec import BUCKET, REGION, CellSpec

CONFIG = (
    "1-D uint8 tensors; StreamingDataset(shuffle=True, drop_last=False, max_cache_size=limit), "
    "StreamingDataLoader(num_workers=2); its obstore client is allowed plain http, without which every chunk fails"
)


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[torch.Tensor]]:
    """Return the batches of one epoch."""
    downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = True  # type: ignore[typeddict-unknown-key]
    dataset = StreamingDataset(
        f"s3://{BUCKET}/{cell.data.name}/litdata",
        cache_dir=str(cell.cache_folder),
        shuffle=True,
        drop_last=False,
        max_cache_size=cell.limit_bytes,
        storage_options={
            "endpoint_url": cell.endpoint,
            "region_name": REGION,
            "aws_access_key_id": "bench",
            "aws_secret_access_key": "bench",
        },
    )
    yield iter(StreamingDataLoader(dataset, batch_size=cell.batch_size, num_workers=cell.num_workers))
