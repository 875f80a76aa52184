"""JSON lines and lists of JSON: values are what Python's json gives, however they are cut; what is none is named."""

from __future__ import annotations

import json
import lzma
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError, PenstockError
from penstock.formats.registry import open_format
from penstock.formats.streams import lines, whole
from support.ranges import Ranges

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def values(data: bytes, kind: str = "jsonl", **options: Any) -> list[Any]:
    return Ranges(data, "t").values(pickle.loads(pickle.dumps(open_format(kind, options))))


def refused(data: bytes, kind: str = "jsonl", **options: Any) -> str:
    with pytest.raises((DataError, ConfigError)) as caught:
        Ranges(data, "t").index(open_format(kind, options))
    return caught.value.what


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(VALUES, max_size=9),
    end=st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\r\n"]),
    bom=st.booleans(),
    is_ascii=st.booleans(),
    block=st.sampled_from([1, 7, 40, 10_000]),
    chunk=st.sampled_from([1, 5, 64, 1 << 20]),
    is_ended=st.booleans(),
)
def test_any_values_are_those_that_were_written(
    rows: list[Any], end: str, bom: bool, is_ascii: bool, block: int, chunk: int, is_ended: bool
) -> None:
    texts = [json.dumps(row, ensure_ascii=is_ascii) for row in rows]
    as_lines = "".join(f"{text}{end}" for text in texts).encode("utf-8", "surrogatepass")
    as_list = f"{end}[{end}{f'{end},'.join(texts)}{end}]{end}".encode("utf-8", "surrogatepass")
    before, whole.CHUNK_BYTES = whole.CHUNK_BYTES, chunk  # type: ignore[misc]
    try:
        for kind, text in (("jsonl", as_lines), ("json", as_list)):
            data = b"\xef\xbb\xbf" * bom + (text if is_ended else text.rstrip())
            if not data:
                continue
            source = Ranges(data, "t")
            assert source.values(open_format(kind, {"block": block})) == rows
            extents, _ = source.index(open_format(kind, {"block": block}))
            assert sum(extent.num_samples for extent in extents) == len(rows)
            assert len({extent.key for extent in extents}) == len(extents)
    finally:
        whole.CHUNK_BYTES = before  # type: ignore[misc]


@settings(max_examples=150, deadline=None)
@given(data=st.binary(min_size=1, max_size=40) | st.text('[]{},:"0ae\\u\n .-', min_size=1).map(str.encode))
def test_whatever_lies_there_is_read_or_refused(data: bytes) -> None:
    for kind in ("jsonl", "json"):
        try:
            found = values(data, kind, block=3)
        except PenstockError:
            continue
        whole_text = data.removeprefix(b"\xef\xbb\xbf").decode()
        told = [json.loads(each) for each in whole_text.split("\n") if each.strip()]
        assert json.dumps(found) == json.dumps(told if kind == "jsonl" else json.loads(whole_text))


def test_a_block_is_read_once_and_an_object_in_bounded_memory() -> None:
    row = b'{"number": 1234567, "text": "abcdefgh"}\n'
    source = Ranges(row * 300_000, "t")
    extents, _ = source.index(open_format("jsonl", {"block": "1Mi"}))
    assert sum(extent.num_samples for extent in extents) == 300_000
    assert all(2**20 <= extent.size_bytes < 2**20 + len(row) for extent in extents[:-1])
    assert source.read_bytes == len(source.data)
    assert max(length for _, length in source.reads) <= whole.CHUNK_BYTES


def test_columns_are_projected_and_what_a_row_lacks_is_none() -> None:
    data = b'{"a": 1, "b": {"c": [2]}}\n{"b": 3, "z": NaN}\n'
    assert values(data, columns=["b", "a"]) == [{"b": {"c": [2]}, "a": 1}, {"b": 3, "a": None}]
    assert list(values(data, columns=["b", "a"])[0]) == ["b", "a"]
    assert math.isnan(values(data)[1]["z"])
    assert refused(data, columns=["d"]) == "t has no column 'd'"
    assert refused(b"[1]\n", columns=["a"]).startswith("t, line 1 is no JSON object, which columns were asked of")
    late = b'{"a": 1}\n' + b"7\n"
    with pytest.raises(DataError, match="a row of t/1 is no JSON object"):
        values(late, columns=["a"])


def test_rows_tell_their_groups() -> None:
    data = b'{"p": {"id": 7}}\n{"p": {"id": "7"}}\n{"p": {"id": 7.0}}\n{}\n{"p": {"id": true}}\n'
    (extent,), _ = Ranges(data, "t").index(open_format("jsonl", {"group_by": "p.id"}))
    assert extent.groups == ("7", "7", "7", "", "true")
    assert refused(b'{"p": [1]}\n', group_by="p").startswith("t has in the column 'p' a value of the type list")
    assert refused(data, group_by="q") == "t has no column 'q'"


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        ("jsonl", b'{"a":1}\n\n{"a":01}\n', "t, line 3, column 7: no JSON: Expecting ',' delimiter"),
        ("jsonl", b'{"a":1}{"a":2}\n', "t, line 1, column 8: no JSON: Extra data"),
        ("jsonl", b"1\r2\n", "t, line 1, column"),
        ("jsonl", b'{"a":\n1}\n', "t, line 1, column 6: no JSON: Expecting value"),
        ("jsonl", b'1\n2\n"\xff"\n', "t, line 3, byte 2: not UTF-8 text (a byte is 0xff)"),
        ("jsonl", b'1\n"a', "t, line 2, column 1: no JSON: Unterminated string"),
        ("jsonl", b"1\n\0\n", "t, line 2, column 1: no JSON"),
        ("jsonl", b"[" * 200_000, "t, line 1: no JSON: lists or objects that lie too deep in each other"),
        ("jsonl", b"\xff\xfe{\0", "t is no text: it begins as UTF-16 does"),
        ("jsonl", b"PK\x03\x04", "t is no text: it begins as ZIP does"),
        ("json", b'{"a":1}', "t, line 1: no list of JSON: it begins with '{\"a\":1}'"),
        ("json", b"[1,\n 2 3]", "t, line 2, column 4: no JSON: Expecting ',' or ']', at '3]'"),
        ("json", b"[1,]", "t, line 1, column 4: no JSON: Expecting value"),
        ("json", b"[1, 2", "t, line 1: the list of JSON does not end"),
        ("json", b'[1, "x', "t, line 1, column 5: no JSON: Unterminated string"),
        ("json", b"[1]\nx", "t, line 2: behind the list of JSON comes 'x'"),
        ("json", b'[1,\n"\xff"]', "t, line 2: not UTF-8 text (a byte is 0xff)"),
        ("json", b"  \n", "t, line 2: the list of JSON does not end"),
    ],
)
def test_what_is_no_json_is_an_error_with_its_place(kind: str, data: bytes, told: str) -> None:
    assert refused(data, kind).startswith(told)


def test_numbers_are_exact_or_refused() -> None:
    assert values(b"%d\n-%d\n1e5\n" % (2**70, 2**64)) == [2**70, -(2**64), 1e5]
    with pytest.raises(DataError, match="a row of t/1: no JSON: Exceeds the limit"):
        values(b"7" * 5_000)


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_values_without_an_end_are_refused_before_they_fill_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lines, __import__("penstock.formats.jsonl.items", fromlist=["items"])):
        monkeypatch.setattr(module, "MOST_LINE_BYTES", 1 << 20)
    data = b'["' + b"a" * (24 << 20)
    source = Ranges(data, "t")
    with pytest.raises(DataError, match=r"t, line 1: an? (line|item) of more than 1.0 MiB"):
        source.index(open_format(kind, {}))
    assert source.read_bytes <= 12 << 20


def test_a_list_over_several_lines_is_sent_to_its_own_format() -> None:
    for data, told in ((b"[\n1\n]", 'is of the format "json"'), (b'{"a":\n1}', "one JSON value a line, or leave")):
        with pytest.raises(DataError) as caught:
            values(data)
        assert told in (caught.value.fix or "")


def test_what_has_no_rows_is_told() -> None:
    for kind, data in (("jsonl", b"\n \r\n"), ("json", b" [\n] ")):
        extents, (skipped,) = Ranges(data, "t").index(open_format(kind, {}))
        assert (extents, skipped.reason) == ([], "has no rows")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"columns": []}, "columns []"),
        ({"block": "1Gi"}, "block 1.0 GiB, which is held in memory"),
        ({"block": 0}, "block 0"),
        ({"group_by": 1}, "group_by 1"),
        ({"column": ["a"]}, "the format 'jsonl' has no option 'column'"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_format("jsonl", options)
    assert caught.value.what == told


def test_real_lines_are_those_that_json_reads(real_data: Path) -> None:
    data = lzma.decompress((real_data / "text/sotu.jsonl.xz").read_bytes())
    told = [json.loads(line) for line in data.splitlines()]
    assert values(data) == told
    assert values(json.dumps(told).encode(), "json", block="1Mi") == told
    assert [row["year"] for row in values(data, columns="year")] == [row["year"] for row in told]
