"""Tables of text: rows are those that Python's csv module reads, however they are cut; what is none is named."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError, TruncatedObject
from penstock.formats.csv import scanning
from penstock.formats.registry import open_format
from penstock.formats.streams import packed, whole
from penstock.manifest import SkippedObject
from support.ranges import Ranges

CELLS = st.text(alphabet='a1é ,;\t"\n\r', max_size=6)


def written(rows: list[list[str]], **how: Any) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, **how).writerows(rows)
    return file.getvalue().encode()


def values(data: bytes, **options: Any) -> list[dict[str, Any]]:
    return Ranges(data, "t.csv").values(pickle.loads(pickle.dumps(open_format("csv", options))))


def refused(data: bytes, **options: Any) -> str:
    with pytest.raises((DataError, ConfigError)) as caught:
        Ranges(data, "t.csv").index(open_format("csv", options))
    return caught.value.what


@settings(max_examples=80, deadline=None)
@given(
    rows=st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=9)),
    end=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from(",;\t|"),
    bom=st.booleans(),
    block=st.sampled_from([1, 7, 40, 10_000]),
    chunk=st.sampled_from([1, 5, 64]),
    is_ended=st.booleans(),
)
def test_any_table_gives_the_rows_that_were_written(
    rows: list[list[str]], end: str, delimiter: str, bom: bool, block: int, chunk: int, is_ended: bool
) -> None:
    """Cells hold quotes, separators and line ends; blocks and reads end anywhere."""
    header = [f"c{place}" for place in range(len(rows[0]) if rows else 1)]
    data = written([header, *rows], lineterminator=end, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    data = data if is_ended else data.removesuffix(end.encode())
    before = whole.CHUNK_BYTES
    whole.CHUNK_BYTES = chunk
    try:
        source = Ranges(b"\xef\xbb\xbf" * bom + data, "t.csv")
        kind = open_format("csv", {"delimiter": delimiter, "block": block})
        found = source.values(kind)
        extents, _ = source.index(kind)
    finally:
        whole.CHUNK_BYTES = before
    assert [list(row.values()) for row in found] == rows
    assert all(list(row) == header for row in found)
    if block == 1:
        assert [extent.num_samples for extent in extents] == [1] * len(rows)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=6))
def test_rows_that_are_quoted_where_they_must_be_are_the_same(rows: list[tuple[str, str]]) -> None:
    data = written([["a", "b"], *map(list, rows)])
    assert [tuple(row.values()) for row in values(data, block=9, delimiter=",")] == rows


def test_blank_lines_are_no_rows_and_an_extent_is_named_by_its_line() -> None:
    data = b'\xef\xbb\xbfa,b\r\n\r\n1,"x\ny"\r\n\r\n2,z\r\n\r\n'
    extents, _ = Ranges(data, "t.csv").index(open_format("csv", {"block": 1}))
    assert [(extent.key, extent.num_samples) for extent in extents] == [("t.csv/3", 1), ("t.csv/6", 1)]
    assert values(data) == [{"a": "1", "b": "x\ny"}, {"a": "2", "b": "z"}]


def test_chosen_columns_and_numbers() -> None:
    data = b"id;x;t\n1; 2.5 ;n/a\n2;+1e3;b\n3;NA;c\n"
    found = values(data, columns=["t", "x"], numbers=["x"])
    assert [row["t"] for row in found] == ["n/a", "b", "c"]
    np.testing.assert_equal([row["x"] for row in found], [2.5, 1000.0, np.nan])
    assert list(found[0]) == ["t", "x"]


def test_columns_without_a_name_are_left_out() -> None:
    assert values(b",a,\n0,1,2\n1,3,4\n") == [{"a": "1"}, {"a": "3"}]


def test_a_table_without_a_header_has_the_names_that_are_given() -> None:
    data = b"1,2\n3,4\n"
    assert "has no header" in refused(data)
    assert values(data, names=["a", "b"]) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_a_block_is_read_once_and_a_table_in_bounded_memory() -> None:
    data = b"a,b\n" + b"1234567,abcdefgh\n" * 300_000
    source = Ranges(data, "t.csv")
    extents, _ = source.index(open_format("csv", {"block": "1Mi"}))
    assert sum(extent.num_samples for extent in extents) == 300_000
    assert all(2**20 <= extent.size_bytes < 2**20 + 100 for extent in extents[:-1])
    assert source.read_bytes < len(data) + 100_000
    assert max(length for _, length in source.reads) <= whole.CHUNK_BYTES


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a,b\n1,2\n1,2,3\n", "t.csv, line 3: 3 cells where the header has 2; the row begins with '1'"),
        (b'a,b\n"1\n\n",2\nx\n', "t.csv, line 5: 1 cell where the header has 2; the row begins with 'x'"),
        (b'a,b\n1,2\n"1,2\n1,2\n', "t.csv, line 3: a quoted cell does not end"),
        (b'a,b\n"1"x,2\n', "t.csv, line 2: ',' expected after '\"'"),
        (b"a,b\r1,2\r", "t.csv, line 1: a line ends with a carriage return alone"),
        (b"a,b\n1,\xff\n", "t.csv, line 2: not UTF-8 text (a byte is 0xff)"),
        (b"a,b\n1,2\n1,\x00\n", "t.csv, line 3: a zero byte"),
        (b"a,b,a\n1,2,3\n", "t.csv, line 1: the column 'a' comes twice"),
        (b"1.5,2\n1,2\n", "t.csv has no header: its first line has no names, but '1.5, 2'"),
        (b"\n\n", "t.csv has no header"),
        (b"PK\x03\x04abc", "t.csv is no table of text: it begins as ZIP does"),
        (b"PAR1abc", "it begins as Parquet does"),
        ("a,b\n1,2\n".encode("utf-16"), "it begins as UTF-16 does"),
    ],
)
def test_what_is_no_table_is_named_with_its_line(data: bytes, told: str) -> None:
    assert told in refused(data)


def test_a_cell_that_is_no_number_is_named_with_its_line() -> None:
    data = b"id,x\n" + b"1,2\n\n" * 3 + b'"a\nb",7\n2,seven\n'
    assert refused(data, numbers=["x"]) == "t.csv, line 10: x is 'seven', which is no number"
    assert "x is 'inf', which is no number" in refused(b"x\ninf\n", numbers=["x"])
    assert "x is '1_0', which is no number" in refused(b"x\n1_0\n", numbers=["x"])


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no column 'labl'") as caught:
        Ranges(b"id,label\n1,2\n", "t.csv").index(open_format("csv", {"columns": ["labl"]}))
    assert "did you mean 'label'?" in caught.value.fix


def test_a_row_without_an_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "MOST_ROW_BYTES", 100_000)
    source = Ranges(b"a,b\n" + b"x" * 20_000_000, "t.csv")
    with pytest.raises(DataError, match="line 2: a row of more than"):
        source.index(open_format("csv", {}))
    assert source.read_bytes < 5_000_000


def test_a_long_cell_is_read() -> None:
    assert len(values(b"a,b\n1," + b"x" * 1_000_000 + b"\n")[0]["b"]) == 1_000_000


def test_a_table_without_rows_is_left_out() -> None:
    assert Ranges(b"a,b\n", "t.csv").index(open_format("csv", {})) == (
        [],
        [SkippedObject(object="t.csv", reason="has no rows")],
    )


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ",,"},
        {"delimiter": '"'},
        {"delimiter": 1},
        {"block": 0},
        {"block": "1Gi"},
        {"columns": []},
        {"columns": ["a", "a"]},
        {"numbers": [1]},
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        open_format("csv", options)


def test_bytes_that_are_not_the_listed_ones_are_told() -> None:
    source = Ranges(b"a\n1\n2\n", "t.csv")
    kind = open_format("csv", {})
    (extent,), _ = source.index(kind)
    with pytest.raises(DataError, match=r"the rows of t\.csv/2 cannot be read: there are 1, not 2"):
        kind.decode(memoryview(b"1\n"), extent, extent.codec, np.arange(2))


def test_blocks_are_those_of_large_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"a,b\n" + b"".join(b"%d,%d\n" % (row, row * row) for row in range(3000))
    kind = open_format("csv", {"block": 500})
    found = Ranges(data).index(kind)
    monkeypatch.setattr(whole, "CHUNK_BYTES", 777)
    assert Ranges(data).index(kind) == found


ROWS = [[str(number), f'n "{number}",\n{number * 7919 % 104729}', str(number / 4)] for number in range(6_000)]
TABLE = b"\xef\xbb\xbf" + written([["id", "name", "x"], *ROWS])


def members(data: bytes) -> bytes:
    return b"".join(gzip.compress(data[at : at + 40_000]) for at in range(0, len(data), 40_000))


def frames(data: bytes) -> bytes:
    made = pa.Codec("zstd")
    return b"".join(made.compress(data[at : at + 50_000], asbytes=True) for at in range(0, len(data), 50_000))


def one_frame(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


PACKINGS = [gzip.compress, members, frames, one_frame]


@pytest.mark.parametrize("pack", PACKINGS)
@pytest.mark.parametrize("chunk", [1_001, 4 << 20])
def test_rows_of_a_packed_table_are_those_of_the_plain_one(
    pack: Any, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(packed, "CHUNK_BYTES", chunk)
    kind = open_format("csv", {"block": 20_000, "numbers": ["x"], "group_by": "id"})
    source = Ranges(pack(TABLE), "t.csv")
    extents, _ = source.index(kind)
    assert source.read_bytes == len(source.data)
    assert (len(extents) > 1) == (pack is not one_frame)
    assert [group for extent in extents for group in extent.groups] == [row[0] for row in ROWS]
    lines = 2 * np.cumsum([0, *(extent.num_samples for extent in extents[:-1])]) + 2
    assert [extent.key for extent in extents] == [f"t.csv/{line}" for line in lines]
    assert source.values(kind) == Ranges(TABLE, "t.csv").values(kind)


@pytest.mark.parametrize("pack", PACKINGS)
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a,b\n1,2\n1,2,3\n", "t.csv, line 3: 3 cells where the header has 2"),
        (b'a,b\n1,2\n"1,2\n', "t.csv, line 3: a quoted cell does not end"),
        (b"a,b\n1,2\n1,\x00\n", "t.csv, line 3: a zero byte"),
        (b"1.5,2\n1,2\n", "t.csv has no header: its first line"),
        (b"\n", "t.csv has no header"),
        (b"PAR1abcd", "t.csv is no table of text: what is packed in it begins as Parquet does"),
        ("a,b\n".encode("utf-16"), "what is packed in it begins as UTF-16 does"),
        (gzip.compress(b"a,b\n"), "what is packed in it begins as gzip does"),
    ],
)
def test_what_is_no_packed_table_is_named_as_of_a_plain_one(pack: Any, data: bytes, told: str) -> None:
    assert told in refused(pack(data))


@pytest.mark.parametrize("pack", PACKINGS)
def test_a_packed_table_that_ends_within_is_refused(pack: Any) -> None:
    data = pack(TABLE)
    with pytest.raises(TruncatedObject, match=r"t\.csv has \d+ bytes and ends within what is packed in it"):
        Ranges(data[: len(data) - 12], "t.csv").index(open_format("csv", {"block": 20_000}))


def test_damage_of_a_packed_table_and_other_packings_are_refused() -> None:
    data = bytearray(gzip.compress(TABLE))
    data[len(data) // 2] ^= 0xFF
    assert "t.csv cannot be unpacked from about byte" in refused(bytes(data))
    assert "it begins as bzip2 does" in refused(bz2.compress(TABLE))


def test_a_packed_table_without_rows_is_left_out() -> None:
    left_out = [SkippedObject(object="t.csv", reason="has no rows")]
    assert Ranges(gzip.compress(b"a,b\n\n"), "t.csv").index(open_format("csv", {})) == ([], left_out)


@settings(max_examples=80, deadline=None)
@given(
    body=st.text(alphabet='a1 ,"\n\r;\t', max_size=30), width=st.integers(1, 3), block=st.sampled_from([1, 5, 10_000])
)
def test_whatever_is_not_refused_is_what_python_reads(body: str, width: int, block: int) -> None:
    header = [f"h{place}" for place in range(width)]
    text = f"{','.join(header)}\n{body}"
    try:
        found = values(text.encode(), block=block, delimiter=",")
    except DataError:
        return
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:]
    assert [list(row.values()) for row in found] == [row for row in rows if row]
