"""The ends of files, which tell what lies where in them, as far as no format's examples reach them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common.machine import REPOSITORY

__all__ = ["chunks", "lance"]

Made = tuple[list[bytes], Callable[[bytes], None]]
ROWS = 300
COLUMNS = [[0], [1], [2, 3]]


def chunks() -> Made:
    """Of Parquet's footers, as inspect and inventories read them."""
    from penstock.column_chunks import column_chunks

    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2], "b": [["x"], []]}), file, row_group_size=1)
    data = file.getvalue()

    def feed(data: bytes) -> None:
        try:
            column_chunks(data)
        except ValueError:
            return

    return [data[-8 - int.from_bytes(data[-8:-4], "little") : -8]], feed


def lance() -> Made:
    """Of the ends of Lance's data files, and the runs of rows that they are cut into."""
    from penstock.formats.lance import pages
    from penstock.sources import ObjectInfo
    from support.folder_source import Folder

    golden = json.loads((REPOSITORY / "tests/unit/formats/golden/lance.json").read_text())
    files = [
        base64.b64decode(text)
        for name in ("pages", "old pages")
        for key, text in golden[name].items()
        if key.startswith("data/")
    ]

    def feed(data: bytes) -> None:
        info = ObjectInfo(key="a", size_bytes=len(data), version='"v1"')
        with mock.patch.object(pages, "GUESS_BYTES", 64), mock.patch.object(pages, "_NEAR_BYTES", 0):
            try:
                end = asyncio.run(pages.read_end(Folder({"a": data}), info))
                found = [pages.pages_of(end, [parts], ROWS) for parts in COLUMNS]
            except ValueError:
                return
            for each in found:
                if each is not None:
                    cuts = list(pages.cut_rows([each], ROWS, target_bytes=2000))
                    assert [cut.first for cut in cuts] == [0, *(cut.end for cut in cuts[:-1])]
                    assert cuts[-1].end == ROWS
                    assert all(0 <= at <= at + size <= len(data) for cut in cuts for at, size in cut.places[0])

    return files, feed
