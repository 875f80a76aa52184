"""Text: lines, documents and files are the same however they are cut and packed."""

from __future__ import annotations

import gzip
import pickle
import re
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError
from penstock.formats.registry import open_format
from penstock.formats.streams import lines, whole
from support.ranges import Ranges

TEXT = st.text(alphabet="aé \t\n\r", max_size=60)


def values(data: bytes, **options: Any) -> list[Any]:
    return Ranges(data, "t").values(pickle.loads(pickle.dumps(open_format("text", options))))


def refused(data: bytes, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        values(data, **options)
    return caught.value.what


@settings(max_examples=150, deadline=None)
@given(
    text=TEXT,
    bom=st.booleans(),
    block=st.sampled_from([1, 7, 10_000]),
    chunk=st.sampled_from([1, 5, 1 << 20]),
    packed=st.booleans(),
)
def test_any_text_gives_its_lines_and_documents(text: str, bom: bool, block: int, chunk: int, packed: bool) -> None:
    data = b"\xef\xbb\xbf" * bom + text.encode()
    data = gzip.compress(data) if packed else data
    if not data:
        return
    every = [line.removesuffix("\r") for line in text.split("\n")]
    every = every if text.split("\n")[-1] else every[:-1]
    before, whole.CHUNK_BYTES = whole.CHUNK_BYTES, chunk  # type: ignore[misc]
    try:
        assert values(data, block=block, blank=True) == every
        assert values(data, block=block) == [line for line in every if line.strip()]
        documents = "\n".join(line if line.strip() else "" for line in text.split("\n")).split("\n\n")
        found = values(data, block=block, by="document")
        assert [each.split() for each in found] == [each.split() for each in documents if each.strip()]
        assert not any(re.search(r"\n\s*\n", each) or each != each.rstrip() for each in found)
        told = [each for each in text.split("aa") if each.strip()]
        assert values(data, block=block, by="document", separator="aa") == told
        assert values(data, by="file") == [text]
    finally:
        whole.CHUNK_BYTES = before  # type: ignore[misc]


def test_files_may_be_packed_and_are_whole() -> None:
    for data in (b"a\n\nb", gzip.compress(b"a\n\nb"), pa.Codec("zstd").compress(b"a\n\nb", asbytes=True)):
        source = Ranges(data, "t")
        assert source.values(open_format("text", {"by": "file"})) == ["a\n\nb"]
        assert source.reads == []


@pytest.mark.parametrize("by", ["line", "document", "file"])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a\nb\xff\n", "t, line 2, byte 2: not UTF-8 text (a byte is 0xff)"),
        (b"a\n\0\n", "t, line 2, byte 1: a zero byte, so it is no UTF-8 text"),
        (b"\xff\xfea\0", "t is no text: it begins as UTF-16 does"),
        (b"PK\x03\x04", "t is no text: it begins as ZIP does"),
    ],
)
def test_what_is_no_text_is_an_error_with_its_place(by: str, data: bytes, told: str) -> None:
    assert refused(data, by=by) == told


def test_a_packed_file_that_is_cut_off_or_too_large_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gzip.compress(b"abc" * 1000)
    assert refused(data[:-9], by="file").startswith("t cannot be unpacked: it ends within what is packed")
    monkeypatch.setattr("penstock.formats.streams.packing.MOST_PART_BYTES", 100)
    assert refused(data, by="file").startswith("t unpacks to more than")
    assert refused(pa.Codec("zstd").compress(b"abc" * 1000, asbytes=True), by="file").startswith("t unpacks to more")


def test_lines_and_documents_that_do_not_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_LINE_BYTES", 1 << 20)
    for by in ("line", "document"):
        source = Ranges(b"a \n" + b" " * (24 << 20), "t")
        with pytest.raises(DataError, match=rf"t, line [12]: a {by} of more than 1.0 MiB"):
            source.index(open_format("text", {"by": by}))
        assert source.read_bytes <= 12 << 20


def test_a_bad_byte_in_another_block_has_its_own_line() -> None:
    assert refused(b"ab\n" * 100 + b"\xff\n", block=10) == "t, line 101, byte 1: not UTF-8 text (a byte is 0xff)"


@pytest.mark.parametrize(
    "options",
    [{"by": "page"}, {"separator": "x"}, {"by": "document", "separator": ""}, {"by": "document", "separator": 1},
     {"by": "file", "blank": True}, {"blank": 1}, {"by": "document", "separator": "x" * 2000}, {"by": ["line"]}],
)  # fmt: skip
def test_options_that_cannot_be_used(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        open_format("text", options)
