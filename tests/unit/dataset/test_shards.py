"""Rows of shards, of every format in memory: what is read for them, and that any row is where it should be."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.dataset.functions import NOTHING
from penstock.dataset.shard_ahead import FIRST_AHEAD, FIRST_BYTES, MOST_AHEAD, Ahead
from penstock.dataset.shard_index import ShardIndex, shard_of
from penstock.dataset.shard_rows import ShardRows
from penstock.errors import DataError, SourceUnavailable
from penstock.formats.protocols import Format
from penstock.formats.registry import open_format
from penstock.manifest import Extent, ManifestReader, ManifestWriter, SourceSpec, Span
from penstock.ranges import Asked
from support.formats import FORMATS, NUM_ROWS, plain
from support.ranges import Ranges


@dataclass(kw_only=True)
class Memory:
    """Reads a file that is in memory, and notes what was asked for and what was forgotten."""

    source: Ranges
    decode: Callable[..., Sequence[Any]]
    change: Callable[[Any], Any] | None = None
    fails_at: int | None = None
    num_asked: int = 0
    num_open: int = 0
    most_open: int = 0
    error: BaseException | None = None

    def note_error(self, error: BaseException) -> None:
        self.error = error

    def ask(self, spans: Sequence[Span]) -> Any:
        self.num_asked += 1
        self.num_open += 1
        self.most_open = max(self.most_open, self.num_open)
        data = b"".join(self.source.data[span.offset : span.offset + span.length_bytes] for span in spans)
        self.source.reads += [(span.offset, span.length_bytes) for span in spans]
        return Asked(cast("Any", (self.num_asked, data)), len(data))

    def take(self, asked: Asked) -> memoryview:
        number, data = cast("tuple[int, bytes]", asked.numbers)
        self.num_open -= 1
        if number == self.fails_at:
            raise SourceUnavailable("it could not be had", fix="try again")
        return memoryview(data)

    def forget(self, asked: Asked) -> None:
        self.num_open -= 1


class Opened:
    """A file whose rows are read."""

    def __init__(self, data: bytes, kind: Format, key: str = "d/one", **how: Any) -> None:
        source = Ranges(data, key)
        self.extents = source.index(kind)[0]
        source.reads.clear()
        self.memory = Memory(source=source, decode=kind.decode, **how)

    def from_row(self, row: int) -> ShardRows:
        return ShardRows(self.memory, "d/one", Ahead(self.memory, self._from(row)), row)

    def _from(self, row: int) -> Iterator[tuple[Extent, int]]:
        for extent in self.extents:
            if row < extent.num_samples:
                yield extent, max(row, 0)
            row = row - extent.num_samples if row >= extent.num_samples else 0


def opened(name: str, **how: Any) -> Opened:
    kind, _, data, options = FORMATS[name]
    return Opened(data, open_format(kind, options), **how)


def index_of(extents: Sequence[Extent], path: Path) -> tuple[ManifestReader, ShardIndex]:
    with ManifestWriter(path) as writer:
        for extent in extents:
            writer.add(extent, split="train")
        writer.finish(
            task="objects",
            task_options={},
            source=SourceSpec(uri="s3://b"),
            seed=0,
            shape=(),
            classes=(),
            skipped=(),
            created_at="2026-01-01T00:00:00+00:00",
            created_by="test",
        )
    reader = ManifestReader(path)
    return reader, ShardIndex(reader, reader.info.split("train"))


@pytest.mark.parametrize("name", FORMATS)
def test_each_row_of_each_format_is_read_by_the_extent_that_holds_it_alone(name: str, tmp_path: Path) -> None:
    whole = [plain(row) for row in opened(name).from_row(0)]
    assert len(whole) in (1, NUM_ROWS, 2 * NUM_ROWS)
    reader, index = index_of(opened(name).extents, tmp_path / "m.parquet")
    assert index.names == ("d/one",)
    assert index.num_rows("d/one") == len(whole)
    for row in range(len(whole) + 1):
        file = opened(name)
        found = [(reader.row(at).key, first) for at, first in index.from_row("d/one", row)]
        assert found == [(extent.key, first) for extent, first in file._from(row)]
        rows = file.from_row(row)
        assert not file.memory.source.reads
        some = [plain(each) for _, each in zip(range(1), rows, strict=False)]
        holding = [extent for extent, _ in list(file._from(row))[:1]]
        spans = [(span.offset, span.length_bytes) for extent in holding for span in extent.spans]
        assert file.memory.source.reads[: len(spans)] == spans
        assert not spans or min(file.memory.source.reads) == min(spans)
        assert file.memory.most_open <= 1 + FIRST_AHEAD
        assert [*some, *map(plain, rows)] == whole[row:]
        assert not file.memory.num_open
    reader.close()


def test_more_is_read_ahead_the_longer_it_is_read_and_never_without_bound() -> None:
    file = Opened(b"1\n" * 800, open_format("jsonl", {"block": 2}))
    del file.extents[1::2]  # what is left are no neighbours
    rows = file.from_row(0)
    asked = []
    for _ in range(200):
        next(rows)
        asked.append(file.memory.num_asked)
    assert asked[:6] == [1 + 3, 2 + 3, 3 + 6, 4 + 12, 5 + 24, 6 + 32]
    assert file.memory.most_open == MOST_AHEAD + 1
    rows.close()
    assert not file.memory.num_open
    assert list(rows) == []


def test_neighbours_are_asked_for_at_once_but_for_the_first() -> None:
    file = Opened(b"1\n" * 400, open_format("jsonl", {"block": 2}))
    rows = file.from_row(7)
    assert next(rows) == 1
    assert file.memory.source.reads[0] == (14, 2)
    assert len(file.memory.source.reads) == 1 + FIRST_AHEAD
    assert list(rows) == [1] * 392
    reads = file.memory.source.reads
    assert len(reads) < 20
    assert [offset for offset, _ in reads[1:]] == [sum(each) for each in reads[:-1]]
    assert sum(reads[-1]) == 800
    large = Opened((b"1" * 600_000 + b"\n") * 3 + b"3\n" * 9, open_format("text", {"block": 1}))
    assert len(list(large.from_row(0))) == 12
    assert [size for _, size in large.memory.source.reads] == [600_001, 600_001, 600_019]


def test_little_is_read_ahead_of_large_extents_at_first() -> None:
    file = Opened((b"1" * FIRST_BYTES + b"\n") * 4, open_format("text", {"block": 1}))
    rows = file.from_row(0)
    next(rows)
    assert file.memory.num_asked == 1
    assert len(list(rows)) == 3


def test_what_is_left_out_is_counted_as_it_is_stored() -> None:
    file = opened("jsonl", change=lambda row: row["n"] if row["n"] % 7 == 3 else NOTHING)
    rows = file.from_row(4)
    found = [(value, rows.row) for value in rows]
    assert found == [(value, value + 1) for value in (10, 17, 24, 31, 38)]


def test_an_error_ends_it_lets_all_go_and_is_told() -> None:
    file = opened("jsonl", fails_at=2)
    rows = file.from_row(0)
    with pytest.raises(SourceUnavailable) as caught:
        list(rows)
    assert file.memory.error is caught.value
    assert not file.memory.num_open
    assert list(rows) == []


def test_bytes_that_are_none_of_the_format_are_named() -> None:
    file = opened("jsonl")
    data = bytearray(file.memory.source.data)
    data[data.index(b'"n": 9')] = ord("}")
    file.memory.source.data = bytes(data)
    with pytest.raises(DataError) as caught:
        list(file.from_row(0))
    assert any("of the shard 'd/one', row 9 (from 0)" in note for note in caught.value.__notes__)
    assert str(caught.value.about).startswith("d/one/")


def test_extents_that_decode_to_other_numbers_are_refused() -> None:
    file = opened("csv")
    file.memory.decode = lambda data, about, codec, numbers: [0]
    with pytest.raises(DataError, match=r"1 rows were decoded of d/one/\d+, not the \d+ that were listed"):
        list(file.from_row(0))


@pytest.mark.parametrize(
    ("key", "objects", "group", "shard"),
    [
        ("a.parquet/3", ["a.parquet"], "", "a.parquet"),
        ("a.tar/d/0001", ["a.tar", "a.tar"], "", "a.tar"),
        ("d/a.bin", ["d/a.bin"], "", "d/a.bin"),
        ("s.zarr/12", ["s.zarr/c/0/0"], "", "s.zarr"),
        ("s.zarr/12", ["s.zarr/c/0/0", "s.zarr/y/0"], "", "s.zarr"),
        ("d/s.set/4", ["d/s.fdt", "d/s.set"], "", "d/s.set"),
        ("sub-1_3", ["d/sub-1.bdf"], "", "d/sub-1.bdf"),
        ("a/b", ["a/c"], "", "a"),
        ("x", [], "", "x"),
        ("zarr.json/3", ["x/c/0/0", "y/c/0"], "zarr.json", "zarr.json"),
        ("d/s.vhdr/stimulus/1", ["d/s.eeg"], "d", "d/s.eeg"),
        ("s.zarr/rows/3", ["s.zarr/c/0/0"], "s.zarr", "s.zarr"),
        ("sub-1/3", ["sub-1/eeg/a.bdf"], "1", "sub-1"),
    ],
)
def test_a_shard_is_an_object_or_what_its_objects_are_members_of(
    key: str, objects: list[str], group: str, shard: str
) -> None:
    assert shard_of(key, objects, group) == shard


def test_extents_of_a_shard_need_not_be_neighbours(tmp_path: Path) -> None:
    def extent(key: str, count: int) -> Extent:
        name = key.partition("/")[0]
        span = Span(object=name, version="v", object_bytes=9, offset=0, length_bytes=1)
        return Extent(key=key, group=name, spans=(span,), num_samples=count)

    reader, index = index_of(
        [extent(*each) for each in (("a/0", 2), ("b/0", 3), ("a/1", 4), ("a/2", 1))], tmp_path / "m"
    )
    assert index.names == ("a", "b")
    assert (index.num_rows("a"), index.num_extents("a")) == (7, 3)
    found = [list(index.from_row("a", row)) for row in range(8)]
    tail = [(2, 0), (3, 0)]
    assert found[:2] == [[(0, 0), *tail], [(0, 1), *tail]]
    assert found[2:6] == [[(2, at), (3, 0)] for at in range(4)]
    assert found[6:] == [[(3, 0)], []]
    assert list(index.rows("a")) == [0, 2, 3]
    reader.close()


@st.composite
def _texts(draw: st.DrawFn) -> bytes:
    rows = draw(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=8), max_size=12))
    ends = [draw(st.sampled_from(["\n", "\n\n", "\r\n", "\n \n"])) for _ in rows]
    begin = draw(st.sampled_from(["", "\n", "\n\n", "\ufeff"]))
    return (begin + "".join(map("".join, zip(rows, ends, strict=True)))).encode()


_PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": lambda raw: cast("bytes", pa.Codec("zstd").compress(raw, asbytes=True)),
}


def is_blank(line: str) -> bool:
    return not line or line.encode().isspace()


@settings(max_examples=60, deadline=None)
@given(
    cells=st.lists(st.text('ab\n",;\u00e9 ', max_size=6), max_size=10),
    block=st.integers(1, 30),
    name=st.sampled_from(["csv", "document", "json"]),
    data=st.data(),
)
def test_any_row_of_tables_documents_and_lists_is_the_same_from_wherever_it_is_opened(
    cells: list[str], block: int, name: str, data: st.DataObject
) -> None:
    if name == "csv":
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        writer.writerows([["a", "n"], *([cell, number] for number, cell in enumerate(cells))])
        file = Opened(out.getvalue().encode(), open_format("csv", {"block": block}))
        wanted: list[Any] = [{"a": cell, "n": str(number)} for number, cell in enumerate(cells)]
    elif name == "json":
        file = Opened(json.dumps(cells, indent=block % 3).encode(), open_format("json", {"block": block}))
        wanted = cells
    else:
        text = "|".join(cells)
        options = {"block": block, "by": "document", "separator": "|"}
        file = Opened(text.encode() or b" ", open_format("text", options))
        wanted = [cell for cell in cells if not is_blank(cell)]
    whole = list(file.from_row(0))
    assert whole == wanted
    for row in {0, len(whole), data.draw(st.integers(0, len(whole)))}:
        assert list(file.from_row(row)) == whole[row:]


@settings(max_examples=150, deadline=None)
@given(
    text=_texts(),
    block=st.integers(1, 20),
    is_json=st.booleans(),
    packing=st.sampled_from(list(_PACKED)),
    data=st.data(),
)
def test_any_row_of_any_text_is_the_same_from_wherever_it_is_opened(
    text: bytes, block: int, is_json: bool, packing: str, data: st.DataObject
) -> None:
    lines = [line.removesuffix("\r") for line in text.decode().removeprefix("\ufeff").split("\n")]
    if is_json:
        text = "\n".join(line if is_blank(line) else json.dumps(line) for line in lines).encode()
    kind = open_format("jsonl" if is_json else "text", {"block": block})
    packed = _PACKED[packing](text)
    wanted = [line for line in lines if not is_blank(line)]
    file = Opened(packed, kind) if packed else None
    whole = list(file.from_row(0)) if file is not None else []
    assert whole == wanted
    if file is not None:
        for row in {0, len(whole), data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, len(whole)))}:
            assert list(file.from_row(row)) == whole[row:]
            np.testing.assert_equal(file.memory.num_open, 0)
