"""What is held of objects while more of them is waited for: little, and not what was gone through."""

from __future__ import annotations

import io
import json
import tarfile
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from penstock.formats.registry import open_format
from penstock.formats.streams import whole
from penstock.formats.tar import blocks
from support.ranges import Ranges

CHUNK = 1 << 20


class _Measured(Ranges):
    """An object whose readers' memory is looked at whenever they ask for more."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, "t")
        self.most = 0

    async def get_range(self, info: object, offset: int, length_bytes: int) -> memoryview:
        self.most = max(self.most, tracemalloc.get_traced_memory()[0] - self.before)
        found = await super().get_range(info, offset, length_bytes)  # type: ignore[arg-type]
        return memoryview(np.frombuffer(found, np.uint8).copy())

    def measured(self, kind: str) -> int:
        """Return the most bytes that are held when more is asked for."""
        tracemalloc.start()
        try:
            self.before = tracemalloc.get_traced_memory()[0]
            self.index(open_format(kind, {} if kind == "tar" else {"block": "6Mi"}))
        finally:
            tracemalloc.stop()
        return self.most


def _lines() -> bytes:
    return (json.dumps({"text": "x" * 50_000}) + "\n").encode() * 160


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(80):
            member = tarfile.TarInfo(f"{number}.txt")
            member.size = 100_000
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return file.getvalue()


MADE: dict[str, tuple[Callable[[], bytes], float]] = {
    "jsonl": (_lines, 0.5),
    "text": (_lines, 0.5),
    "csv": (lambda: b"a\n" + (b"x" * 50_000 + b"\n") * 160, 7.5),
    "json": (lambda: b"[" + b",".join([b'"' + b"x" * 50_000 + b'"'] * 160) + b"]", 1.5),
    "tar": (_tar, 0.5),
}
"""Of each format a file of 8 MiB, and what may be held of it: that of CSV a block."""


@pytest.mark.parametrize("kind", MADE)
def test_what_was_gone_through_is_not_held(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "CHUNK_BYTES", CHUNK)
    monkeypatch.setattr(blocks, "AHEAD_READ_BYTES", CHUNK // 4)
    make, most = MADE[kind]
    assert _Measured(make()).measured(kind) < most * CHUNK


@pytest.mark.parametrize("chunk", [1, 5, 64, 4096])
@pytest.mark.parametrize("block", [30, 50, 300])
def test_blocks_end_where_they_would_if_all_was_read_at_once(
    chunk: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [json.dumps({"n": number, "text": "a" * (number * 7 % 23)}).encode() for number in range(60)]
    data = b"\xef\xbb\xbf" + b"\n\n".join(rows)
    at_once, _ = Ranges(data, "t").index(open_format("jsonl", {"block": block}))
    monkeypatch.setattr(whole, "CHUNK_BYTES", chunk)
    found, _ = Ranges(data, "t").index(open_format("jsonl", {"block": block}))
    assert found == at_once
    ends = [extent.spans[0].offset + extent.spans[0].length_bytes for extent in found]
    assert [extent.spans[0].offset for extent in found] == [3, *ends[:-1]]
    assert all(extent.size_bytes >= block for extent in found[:-1])
    assert [extent.size_bytes - block < max(map(len, rows)) + 2 for extent in found] == [True] * len(found)
