"""ZIP files: members are those that zipfile reads, by range; what lies is named, and bombs stay small."""

from __future__ import annotations

import io
import pickle
import random
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError, TruncatedObject
from penstock.formats.registry import open_format
from penstock.manifest import SkippedObject
from penstock.sources import ObjectInfo
from support.ranges import Ranges


def made(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, **how: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.comment = how.get("comment", b"")
        for name, data in members.items():
            with archive.open(name, "w", force_zip64=how.get("wide", False)) as member:
                member.write(data)
    return how.get("before", b"") + file.getvalue()


def streamed(members: dict[str, bytes]) -> bytes:
    """Sizes behind members, as what cannot seek writes them."""

    class Pipe(io.RawIOBase):
        data = b""

        def write(self, more: Any) -> int:
            self.data += bytes(more)
            return len(more)

        def writable(self) -> bool:
            return True

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for name, data in members.items():
            archive.writestr(name, data)
    return pipe.data


def values(data: bytes, **options: Any) -> list[Any]:
    return Ranges(data).values(pickle.loads(pickle.dumps(open_format("zip", options))))


SIX = {f"d/{n}.{what}": f"{what} {n}".encode() * n * 40 for n in range(3) for what in ("txt", "bin")}


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.binary(max_size=300) | st.sampled_from([bytes(70_000), b"ab" * 9_999]), max_size=8),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    wide=st.booleans(),
    comment=st.sampled_from([b"", b"PK\x05\x06", b"c" * 60_000]),
    before=st.sampled_from([b"", b"#!/bin/sh\n"]),
    is_streamed=st.booleans(),
)
def test_any_zip_gives_the_members_that_zipfile_reads(
    bodies: list[bytes], method: int, wide: bool, comment: bytes, before: bytes, is_streamed: bool
) -> None:
    names = [f"é{number}/n{number}.bin" for number in range(len(bodies))]
    members = dict(zip(names, bodies, strict=True))
    how = {"wide": wide, "comment": comment, "before": before}
    data = streamed(members) if is_streamed else made(members, method, **how)
    assert values(data, by="member") == bodies
    assert values(data) == [
        {"__key__": name.removesuffix(".bin"), "bin": body} for name, body in zip(names, bodies, strict=True)
    ]


def test_members_of_a_name_are_a_sample_and_neighbours_one_span() -> None:
    data = made({**SIX, "README": b"x", "e/": b"", "__MACOSX/d/._0.txt": b"x", "d/.hidden.txt": b"x"})
    source = Ranges(data)
    extents, left_out = source.index(open_format("zip", {}))
    assert [extent.key for extent in extents] == ["one/d/0", "one/d/1", "one/d/2"]
    assert all(len(extent.spans) == 1 for extent in extents)
    assert {(each.reason, each.count) for each in left_out} == {("a system's own", 2), ("has no extension", 1)}
    assert len(source.reads) == 1
    assert values(data, sample="TXT", decoded=True)[1] == {"__key__": "d/1", "txt": "txt 1" * 40}
    assert values(data, sample=["bin", "txt"])[2] == {"__key__": "d/2", "txt": SIX["d/2.txt"], "bin": SIX["d/2.bin"]}
    lacking = made({"a.jpg": b"1", "a.cls": b"1", "b.jpg": b"2"})
    extents, left_out = Ranges(lacking).index(open_format("zip", {"sample": ["jpg", "cls"]}))
    assert ([extent.key for extent in extents], left_out) == (
        ["one/a"], [SkippedObject(object="1 in one", reason="lacks cls", count=1)],
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"no sample in one has 'jpeg': did you mean 'jpg'\? its samples have: cls"):
        values(lacking, sample="jpeg")


class Large(Ranges):
    """A ZIP64 file of many members of zeros, made where it is read."""

    def __init__(self, count: int, size: int) -> None:
        body, self.count, self.step = bytes(size), count, 30 + 12 + size
        header = [struct.pack("<HHHHHLLLHH", 45, 0, 0, 0, 33, zlib.crc32(body), size, size, 12, 0)]
        self.header, self.body = b"PK\x03\x04" + header[0], body
        entries = []
        for number in range(count):
            extra = struct.pack("<HHQ", 1, 8, number * self.step)
            entries.append(
                b"PK\x01\x02" + struct.pack("<HHHHHHLLLHHHHHLL", 45, 45, 0, 0, 0, 33, zlib.crc32(body), size, size,
                                            12, len(extra), 0, 0, 0, 0, 0xFFFFFFFF) + self.name(number) + extra
            )  # fmt: skip
        directory = b"".join(entries)
        begin = count * self.step
        end64 = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, len(directory), begin)
        locator = b"PK\x06\x07" + struct.pack("<LQL", 0, begin + len(directory), 1)
        self.tail = directory + end64 + locator + b"PK\x05\x06" + b"\xff" * 4 + b"\xff" * 12 + b"\0\0"
        self.tail = self.tail.replace(b"PK\x05\x06\xff\xff\xff\xff", b"PK\x05\x06\0\0\0\0")
        self.info = ObjectInfo(key="one", size_bytes=begin + len(self.tail), version='"v1"')
        self.reads = []

    def name(self, number: int) -> bytes:
        return b"%08d.bin" % number

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        self.reads.append((offset, length_bytes))
        begin = self.count * self.step
        found = b""
        while len(found) < length_bytes and offset + len(found) < begin:
            number, at = divmod(offset + len(found), self.step)
            found += (self.header + self.name(number) + self.body)[at:]
        if len(found) < length_bytes:
            place = offset + len(found) - begin
            found += self.tail[place : place + length_bytes - len(found)]
        return memoryview(found)[:length_bytes]


def test_members_beyond_4_gib_are_read_by_range() -> None:
    source = Large(100_000, 45_000)
    kind = open_format("zip", {})
    extents, _ = source.index(kind)
    assert len(extents) == 100_000
    assert source.read_bytes <= 2 * len(source.tail)
    assert max(length for _, length in source.reads) <= 4 << 20
    assert sum(extent.size_bytes for extent in extents) + source.read_bytes <= 1.01 * 100_000 * 45_000
    last = extents[-1]
    assert last.spans[0].offset > 4 << 30
    data = __import__("asyncio").run(source.get_range(source.info, last.spans[0].offset, last.spans[0].length_bytes))
    (found,) = kind.decode(data, last, last.codec, np.arange(1))
    assert found == {"__key__": "00099999", "bin": bytes(45_000)}


PLAIN = made({"a.txt": b"one", "b.txt": b"two"}, zipfile.ZIP_STORED)
ENTRY = PLAIN.index(b"PK\x01\x02")
END = PLAIN.index(b"PK\x05\x06")


def at(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"no zip at all" * 99, HeaderMismatch, "one is no ZIP file: it has no central directory"),
        (b"\x1f\x8b" + bytes(600), HeaderMismatch, "one is no ZIP file: it begins as gzip does"),
        (b"x", HeaderMismatch, "one is no ZIP file"),
        (PLAIN[:-30], TruncatedObject, f"one has {len(PLAIN) - 30} bytes and no central directory at its end"),
        (PLAIN + b"\0", TruncatedObject, "no central directory at its end"),
        (at(PLAIN, END + 4, b"\1"), HeaderMismatch, "one has several volumes"),
        (at(PLAIN, END + 8, b"\7\0\7\0"), HeaderMismatch, "one has 7 members in a central directory of"),
        (at(PLAIN, END + 8, b"\1\0\1\0"), HeaderMismatch, "one has 2 members in its central directory, of 1 that"),
        (at(PLAIN, END + 16, b"\xff\xff\0"), HeaderMismatch, "one has a central directory of .* at byte 65535, of"),
        (at(PLAIN, ENTRY, b"XX"), HeaderMismatch, f"one has no entry of its central directory at byte {ENTRY}"),
        (at(PLAIN, ENTRY + 28, b"\xff"), HeaderMismatch, "one has 0 members in its central directory, of 2"),
        (at(PLAIN, ENTRY + 8, b"\1"), HeaderMismatch, "one has 'a.txt', which is encrypted"),
        (at(PLAIN, ENTRY + 8, b"\0\x20"), HeaderMismatch, "one has an encrypted central directory"),
        (at(PLAIN, ENTRY + 10, b"\x0c"), HeaderMismatch, "one has 'a.txt', which is packed by bzip2"),
        (at(PLAIN, ENTRY + 10, b"\x63"), HeaderMismatch, "one has 'a.txt', which is packed by AES"),
        (at(PLAIN, ENTRY + 10, b"\x63\x01"), HeaderMismatch, "one has 'a.txt', which is packed by method 355"),
        (at(PLAIN, ENTRY + 20, b"\xff"), HeaderMismatch, "member 'a.txt' at byte 0, which another|not before its dir"),
        (at(PLAIN, ENTRY + 24, b"\4"), HeaderMismatch, "one has 'a.txt', stored in 3 bytes, that is said to have 4"),
        (at(PLAIN, ENTRY + 42, b"\xff\xff\xff"), HeaderMismatch, "'a.txt' of 3 bytes at byte 16777215, which is"),
        (at(PLAIN, ENTRY + 16, b"\0"), DataError, "txt of one/a cannot be read: its checksum is another"),
        (at(PLAIN, 0, b"X"), DataError, "txt of one/a cannot be read: there is no header before it"),
        (at(PLAIN, 28, b"\xff\xff"), DataError, "txt of one/a cannot be read: its header is longer than there is room"),
        (made({"a.txt": b"1", "a.TXT": b"2"}), HeaderMismatch, "one has 'a.TXT' twice, at byte 0 and at byte"),
    ],
)  # fmt: skip
def test_what_lies_is_an_error_with_object_and_member(data: bytes, error: type[PenstockError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        values(data)
    assert (raised.value.about or "").startswith("one")


def test_members_that_unpack_to_more_than_they_should_are_refused() -> None:
    bomb = made({"a.txt": bytes(50 << 20)})
    with pytest.raises(HeaderMismatch, match=r"takes 50.0 MiB unpacked, more than memory=1.0 MiB: give more memory"):
        values(bomb, memory="1Mi")
    # Many members of a sample are as large as one.
    parts = made({f"a.{number}": bytes(1 << 20) for number in range(20)})
    with pytest.raises(
        HeaderMismatch, match=r"the sample 'a' \(a.0, a.1, .*takes 20.0 MiB unpacked, more than memory=19"
    ):
        values(parts, memory="19Mi")
    assert len(values(parts, memory="19Mi", sample=["1", "2"])) == len(values(parts, memory="1Mi", by="member")) / 20
    entry = bomb.index(b"PK\x01\x02")
    for size, told in ((99, "more than 99"), (60 << 20, "fewer than 62914560")):
        lying = at(bomb, entry + 24, struct.pack("<L", size))
        with pytest.raises(DataError, match=f"txt of one/a cannot be read: it unpacks to {told} bytes"):
            values(lying)


def test_members_that_lie_in_each_other_are_refused() -> None:
    second = PLAIN.index(b"PK\x01\x02", ENTRY + 1)
    with pytest.raises(HeaderMismatch, match=r"the member '[ab].txt' at byte 0, which another lies in"):
        values(at(PLAIN, second + 42, b"\0\0\0\0"))


@pytest.mark.parametrize("name", ["../x.txt", "d/../../x.txt", "..\\x.txt", ".."])
@pytest.mark.parametrize("by", ["sample", "member"])
def test_members_whose_names_lead_out_are_left_out_for_that_reason(name: str, by: str) -> None:
    data = made({name: b"x", "./a.txt": b"1", "b..c/a.txt": b"2"})
    extents, left_out = Ranges(data).index(open_format("zip", {"by": by}))
    assert len(extents) == 2
    assert [(each.reason, each.count) for each in left_out] == [("leads out of the file, by '..'", 1)]


def test_what_is_not_wanted_may_be_of_any_kind() -> None:
    data = at(made({"a.txt": b"one", "a.bin": b"two"}), 0, b"P")
    place = data.rindex(b"PK\x01\x02")
    assert values(at(data, place + 10, b"\x0c"), sample="txt") == [{"__key__": "a", "txt": b"one"}]


def test_damage_anywhere_is_an_error_or_the_same_structure() -> None:
    chance = random.Random(0)
    for data in (PLAIN, made(SIX), made({"é" * 90 + ".txt": b"3", "b.txt": b"4"}, wide=True), streamed(SIX)):
        for _ in range(60):
            place = chance.randrange(len(data))
            for damaged in (at(data, place, bytes([chance.randrange(256)])), data[place:], data[: place + 1]):
                for options in ({}, {"by": "member"}):
                    try:
                        assert len(values(damaged, **options)) <= 6
                    except PenstockError:
                        continue


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), where=st.integers(0, 60))
def test_any_directory_is_read_or_refused(data: bytes, where: int) -> None:
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, len(data), 0, 0)
    for whole in (data + end, b"PK\x01\x02" + data[4:] + end, PLAIN[:where] + data + PLAIN[where:], data + PLAIN):
        try:
            values(whole)
        except PenstockError:
            continue


@pytest.mark.parametrize(
    "options",
    [{"by": "file"}, {"sample": []}, {"by": "member", "sample": "a"}, {"decoded": 1}, {"memory": 0}, {"by": []}],
)
def test_options_that_cannot_be_used(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        open_format("zip", options)
