"""Packed streams: any part is unpacked alone from little more than its own bytes; what is damaged is named."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import subprocess
import sys
import zlib
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import DataError, PenstockError, TruncatedObject
from penstock.formats.registry import open_format
from penstock.formats.streams import Part, lines, open_stream, packed, unpacked, whole, zstd
from support.ranges import Ranges

ROWS = [{"n": number, "text": str(random.Random(number).random()) * 3} for number in range(4_000)]
LINES = [json.dumps(row).encode() + b"\n" for row in ROWS]
DATA = b"".join(LINES)


def framed(data: bytes, size: int) -> bytes:
    return b"".join(
        pa.Codec("zstd").compress(data[at : at + size], asbytes=True) for at in range(0, len(data) or 1, size)
    )


def members(data: bytes, size: int) -> bytes:
    return b"".join(gzip.compress(data[at : at + size]) for at in range(0, len(data) or 1, size))


def stored(data: bytes) -> bytes:
    """Blocks that end where bytes do."""
    made = zlib.compressobj(0, zlib.DEFLATED, 31)
    return made.compress(data) + made.flush()


def flushed(data: bytes, how: int) -> bytes:
    """What writers make that flush now and then, and pigz behind each of its pieces: stored blocks amid others."""
    made = zlib.compressobj(6, zlib.DEFLATED, 31)
    pieces = [made.compress(data[at : at + 7_001]) + made.flush(how) for at in range(0, len(data), 7_001)]
    return b"".join(pieces) + made.flush()


def of_codes(data: bytes, strategy: int) -> bytes:
    made = zlib.compressobj(6, zlib.DEFLATED, 31, 1, strategy)
    return made.compress(data) + made.flush()


SKIPPABLE = b"\x50\x2a\x4d\x18\x05\0\0\0index"
PACKED = {
    "gzip": gzip.compress(DATA),
    "gzip -1": gzip.compress(DATA, 1),
    "stored": stored(DATA),
    "flushed": flushed(DATA, zlib.Z_SYNC_FLUSH),
    "flushed whole": flushed(DATA, zlib.Z_FULL_FLUSH),
    "flushed in part": flushed(DATA, 1),
    "codes alone": of_codes(DATA, zlib.Z_HUFFMAN_ONLY),
    "fixed codes": of_codes(DATA, zlib.Z_FIXED),
    "bgzip": members(DATA, 40_000) + gzip.compress(b""),
    "two and zeros": members(DATA, len(DATA) // 2 + 77) + bytes(512),
    "pzstd": SKIPPABLE + framed(DATA, 50_000) + SKIPPABLE,
    "zstd": framed(DATA, len(DATA)),
    "many frames": framed(DATA, 999),
}


def values(data: bytes, **options: Any) -> tuple[list[Any], Ranges]:
    source = Ranges(data, "t")
    return source.values(open_format("jsonl", {"block": 20_000, **options})), source


@pytest.mark.parametrize("how", list(PACKED))
@pytest.mark.parametrize("chunk", [1_001, 4 << 20])
def test_rows_of_packed_lines_are_those_of_plain_ones(how: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "CHUNK_BYTES", chunk)
    found, source = values(PACKED[how])
    assert found == ROWS
    assert source.read_bytes == len(source.data)
    extents, _ = source.index(open_format("jsonl", {"block": 20_000}))
    assert (len(extents) > 1) == (how != "zstd")


def test_parts_overlap_little_and_what_lies_before_is_not_read() -> None:
    rows = b"".join(LINES * 40)  # 11 MB
    data = gzip.compress(rows, 6)
    extents, _ = Ranges(data, "t").index(open_format("jsonl", {"block": "1Mi"}))
    assert len(extents) >= 8
    assert sum(extent.size_bytes for extent in extents) <= 1.35 * len(data)
    assert max(len(extent.codec) for extent in extents) < 50_000


def test_parts_are_begun_at_every_bit_of_a_byte_with_stored_blocks_behind() -> None:
    noise = [json.dumps({"n": n, "text": random.Random(n).randbytes(400 + n).hex()[n % 7 :]}) for n in range(300)]
    plain = "\n".join(noise).encode()
    made = zlib.compressobj(1, zlib.DEFLATED, 31, 1)
    data = b"".join(made.compress(line.encode() + b"\n") + made.flush(zlib.Z_SYNC_FLUSH) for line in noise)
    data += made.flush()
    assert gzip.decompress(data).rstrip() == plain
    source = Ranges(data, "t")
    kind = open_format("jsonl", {"block": 1_500})
    extents, _ = source.index(kind)
    assert {json.loads(extent.codec)["packing"].get("bits", 0) for extent in extents} >= set(range(1, 8))
    assert source.values(kind) == list(map(json.loads, noise))


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 3_000), min_size=1, max_size=12),
    how=st.sampled_from(["gzip", "zstd"]),
    level=st.integers(0, 9),
    cuts=st.tuples(st.integers(0, 30_000), st.integers(1, 30_000)),
    data=st.sampled_from([DATA[:30_000], bytes(30_000), random.Random(1).randbytes(30_000)]),
)
def test_any_part_of_any_members_is_unpacked_alone(
    sizes: list[int], how: str, level: int, cuts: tuple[int, int], data: bytes
) -> None:
    pieces = [data[at : at + size] for at, size in enumerate(sizes)]
    pack = (lambda piece: gzip.compress(piece, level)) if how == "gzip" else (lambda piece: framed(piece, 1 << 20))
    source = Ranges(b"".join(map(pack, pieces)), "t")
    plain = b"".join(pieces)

    async def walk() -> list[Any]:
        stream = await open_stream(source, source.info, block_bytes=500, what="text")
        assert b"".join([chunk async for chunk in stream.chunks()]) == plain
        begin = cuts[0] % (len(plain) or 1)
        end = min(len(plain), begin + cuts[1])
        return [(begin, end, *place) for place in stream.placed([Part(begin=begin, end=end)])]

    for begin, end, (span,), packing in asyncio.run(walk()):
        if begin < end:
            part = source.data[span.offset : span.offset + span.length_bytes]
            assert unpacked(part, packing, key="t") == plain[begin:end]


@pytest.mark.parametrize("how", ["gzip", "bgzip", "pzstd"])
def test_what_is_cut_off_or_damaged_is_an_error_that_names_it(how: str) -> None:
    data = PACKED[how]
    with pytest.raises((TruncatedObject, DataError), match=r"^t has \d+ bytes and ends within what is packed in it"):
        values(data[: len(data) // 2 + 1])
    with pytest.raises(DataError, match=rf"^t cannot be unpacked from about byte \d+ of {len(data) + 9}: "):
        values(data + b"no member")


def test_damage_anywhere_is_an_error_or_is_seen_by_nobody() -> None:
    chance = random.Random(0)
    for data in (members(DATA[:30_000], 9_000), framed(DATA[:30_000], 9_000), gzip.compress(DATA[:30_000])):
        for _ in range(60):
            place = chance.randrange(len(data))
            for damaged in (data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :], data[: place + 1]):
                try:
                    found, _ = values(damaged, block=3_000)
                except PenstockError:
                    continue
                assert found == [json.loads(line) for line in DATA[:30_000].split(b"\n")[:-1]][: len(found)]


def test_what_unpacks_to_far_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(b" " * (64 << 20), 9)
    monkeypatch.setattr(packed, "MOST_POINTS", 4)
    with pytest.raises(DataError, match=r"^t of 65[0-9]{3} bytes unpacks to far more than text does: give a larger"):
        values(bomb, block="1Mi")
    monkeypatch.setattr(lines, "MOST_LINE_BYTES", 1 << 20)
    with pytest.raises(DataError, match=r"^t, line 1: a line of more than 1.0 MiB"):
        values(bomb, block="8Mi")


def test_one_large_frame_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MOST_HELD_BYTES", 100_000)
    with pytest.raises(DataError, match=r"^t is packed in one piece of more than .* pack it again in frames"):
        values(PACKED["zstd"])
    monkeypatch.setattr(zstd, "MOST_FRAME_BYTES", 10_000)
    monkeypatch.setattr(packed, "CHUNK_BYTES", 5_000)
    monkeypatch.setattr(whole, "CHUNK_BYTES", 5_000)
    with pytest.raises(DataError, match=r"^t cannot be unpacked from about byte 0 of .*: a frame of more than"):
        values(PACKED["zstd"])


def test_a_codec_that_lies_is_an_error() -> None:
    (extent, *_), _ = Ranges(PACKED["gzip"], "t").index(open_format("jsonl", {"block": 20_000}))
    for wrong in ('"skip":9', '"length":7', '"length":99999999999', '"window":"eA=="'):
        name = wrong.partition(":")[0]
        codec = json.dumps({"packing": {**json.loads(extent.codec)["packing"], **json.loads(f"{{{wrong}}}")}})
        assert name
        with pytest.raises(DataError, match=f"{extent.key}"):
            list(open_format("jsonl", {}).decode(PACKED["gzip"], extent, codec, __import__("numpy").arange(3)))


def test_lines_and_archives_that_are_not_packed_by_zstandard_need_no_arrow() -> None:
    """It takes 20 MiB, and a good part of the time until the first row."""
    work = (
        "import sys, gzip\n"
        "from penstock.formats import jsonl, tar, text\n"
        "from penstock.formats.streams import packing\n"
        "assert packing.unpacked_whole(gzip.compress(b'a'), key='a') == b'a'\n"
        "print('pyarrow' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False"]
