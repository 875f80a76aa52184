"""Tables of text through the library's face: every row once an epoch, with its own numbers."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import penstock

pytestmark = pytest.mark.usefixtures("children_are_forked")


def plain(data: bytes) -> bytes:
    return data


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


@pytest.mark.parametrize(("ending", "pack"), [("csv", plain), ("csv.gz", gzip.compress), ("tsv.zst", zstd)])
def test_rows_of_tables_are_streamed_each_once_an_epoch(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for part in range(3):
        rows = "".join(f'{part * 500 + row},"n, {row}",{row / 4}\n' for row in range(500))
        (folder / f"{part}.{ending}").write_bytes(pack(f"id,name,x\n{rows}".encode()))
    ds = penstock.of_format("csv", folder, match=f"*.{ending}", options={"numbers": ["id", "x"], "block": 2000})
    with ds.select(["id", "x", "name"]).loader(64, window="256Ki", seed=1) as loader:
        for _ in range(2):
            batches = list(loader)
            ids = np.concatenate([batch["id"].numpy() for batch in batches]).astype(int)
            assert sorted(ids.tolist()) == list(range(1500))
            assert ids.tolist() != sorted(ids.tolist())
            for batch in batches:
                assert (batch["x"].numpy() == batch["id"].numpy() % 500 / 4).all()
                names = [f"n, {int(number) % 500}" for number in batch["id"]]
                assert batch["name"] == names
