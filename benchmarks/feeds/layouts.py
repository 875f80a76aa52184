"""The layouts of the peers, made by each peer's own writer from the plain objects; runs in their environment.

python -m benchmarks.feeds.layouts LAYOUT '<DataSpec as JSON>'
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.feeds.cellspec import DataSpec

LAYOUTS = ("litdata", "tar", "mds", "parquet")
ROW_GROUP_BYTES = 4 << 20


def _samples(data: DataSpec) -> Iterator[bytes]:
    for number in range(data.num_samples):
        yield (data.folder / "plain" / f"{number:08}.bin").read_bytes()


def _litdata_sample(folder: Path, number: int) -> Any:
    import torch

    return torch.frombuffer(bytearray((folder / f"{number:08}.bin").read_bytes()), dtype=torch.uint8)


def _litdata(data: DataSpec, folder: Path) -> None:
    from litdata import optimize

    optimize(
        fn=partial(_litdata_sample, data.folder / "plain"),
        inputs=list(range(data.num_samples)),
        output_dir=str(folder),
        chunk_bytes=data.shard_bytes,
        num_workers=1,
        verbose=False,
    )


def _tar(data: DataSpec, folder: Path) -> None:
    import webdataset as wds

    folder.mkdir()
    pattern = str(folder / "%06d.tar")
    with wds.ShardWriter(pattern, maxsize=data.shard_bytes, maxcount=1_000_000, verbose=0) as writer:
        for number, sample in enumerate(_samples(data)):
            writer.write({"__key__": f"{number:08}", "bin": sample})


def _mds(data: DataSpec, folder: Path) -> None:
    from benchmarks.feeds.contenders import torchvision_stub

    torchvision_stub.install()
    from streaming import MDSWriter

    with MDSWriter(out=str(folder), columns={"data": "bytes"}, size_limit=data.shard_bytes) as writer:
        for sample in _samples(data):
            writer.write({"data": sample})


def _parquet(data: DataSpec, folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    schema = pa.schema([("data", pa.large_binary() if data.sample_bytes > 1 << 20 else pa.binary())])
    per_file = max(1, data.shard_bytes // data.sample_bytes)
    per_group = max(1, ROW_GROUP_BYTES // data.sample_bytes)
    rows = list(range(data.num_samples))
    for number, first in enumerate(range(0, len(rows), per_file)):
        held = [(data.folder / "plain" / f"{row:08}.bin").read_bytes() for row in rows[first : first + per_file]]
        table = pa.table({"data": held}, schema=schema)
        pq.write_table(
            table, folder / f"{number:06}.parquet", compression="none", row_group_size=per_group, use_dictionary=False
        )


def main() -> None:
    """Make one layout, whole or not at all."""
    layout, data = sys.argv[1], DataSpec(**json.loads(sys.argv[2]))
    folder, scratch = data.folder / layout, data.folder / f".{layout}"
    shutil.rmtree(scratch, ignore_errors=True)
    {"litdata": _litdata, "tar": _tar, "mds": _mds, "parquet": _parquet}[layout](data, scratch)
    scratch.rename(folder)
    sys.stdout.flush()
    os._exit(0)  # some peers leave threads behind that hold up the end


if __name__ == "__main__":
    main()
