"""TAR files of samples: members are those that tarfile reads, whatever the headers' kind; what lies is an error."""

from __future__ import annotations

import asyncio
import gzip
import io
import pickle
import tarfile
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError, TruncatedObject
from penstock.formats.registry import format_names, open_format
from penstock.formats.tar import blocks
from penstock.formats.tar.blocks import FAR_SECONDS
from penstock.manifest import SkippedObject
from penstock.sources import ObjectInfo
from support.ranges import Ranges

KINDS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
STEMS = st.text(alphabet="aé/ -", min_size=1, max_size=5).map(lambda stem: f"x/{stem}y" if "/" in stem else f"{stem}y")
LONG = st.sampled_from(["", "n" * 120, "d/" * 90])


def tar(members: dict[str, bytes], kind: str = "gnu", *, ended: bool = True, **pax: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=KINDS[kind]) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(data), pax
            archive.addfile(member, io.BytesIO(data))
        end = archive.offset
    return file.getvalue() if ended else file.getvalue()[:end]


def values(data: bytes, **options: Any) -> list[dict[str, Any]]:
    return Ranges(data).values(pickle.loads(pickle.dumps(open_format("tar", options))))


def expected(data: bytes) -> dict[str, dict[str, bytes]]:
    """Group what tarfile reads."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            folder, slash, last = member.name.rpartition("/")
            stem, dot, what = last.partition(".")
            body = archive.extractfile(member)
            if body is not None and stem and dot:
                found.setdefault(f"{folder}{slash}{stem}", {})[what.lower()] = body.read()
    return found


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.tuples(LONG, STEMS, st.sampled_from(["jpg", "cls", "seg.png"])), unique=True, max_size=8),
    sizes=st.lists(st.sampled_from([0, 1, 511, 512, 513, 9_000, 200_000]), min_size=8, max_size=8),
    kind=st.sampled_from(["gnu", "pax"]),
    ended=st.booleans(),
)
def test_any_tar_gives_the_members_that_tarfile_reads(
    names: list[tuple[str, str, str]], sizes: list[int], kind: str, ended: bool
) -> None:
    bodies = {f"{long}{stem}.{what}": size for (long, stem, what), size in zip(names, sizes, strict=False)}
    data = tar({name: name.encode()[:1] * size for name, size in bodies.items()}, kind, ended=ended)
    if not data:
        return
    found = {each.pop("__key__"): each for each in values(data)}
    assert found == expected(data)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_come_in_the_order_of_their_first_members(kind: str) -> None:
    data = tar({"d/b.jpg": b"1", "d/a.jpg": b"2", "./c.x.y": b"3", "d/b.cls": b"4", "/etc/p.txt": b"5"}, kind)
    assert values(data) == [
        {"__key__": "d/b", "jpg": b"1", "cls": b"4"},
        {"__key__": "d/a", "jpg": b"2"},
        {"__key__": "./c", "x.y": b"3"},
        {"__key__": "/etc/p", "txt": b"5"},
    ]


def test_neighbours_touch_and_small_gaps_are_read_along() -> None:
    source = Ranges(
        tar({"a.jpg": b"x" * 700, "a.cls": b"1", "b.jpg": b"y" * 10, "b.big": b"z" * 90_000, "b.cls": b"2"})
    )
    (first, second), _ = source.index(open_format("tar", {}))
    assert first.spans[0].offset + first.spans[0].length_bytes == second.spans[0].offset
    (first, second), _ = source.index(open_format("tar", {"sample": ["JPG", "cls"]}))
    assert (len(first.spans), len(second.spans)) == (1, 2)
    assert values(source.data, sample=["jpg", "cls"])[1] == {"__key__": "b", "jpg": b"y" * 10, "cls": b"2"}


def test_codecs_of_like_samples_are_one() -> None:
    extents, _ = Ranges(tar({f"{n}.{what}": b"" for n in range(50) for what in ("jpg", "cls")})).index(
        open_format("tar", {})
    )
    assert len({extent.codec for extent in extents}) == 1
    assert len({extent.key for extent in extents}) == len(extents) == 50


def test_large_bodies_are_skipped_and_small_ones_read_in_few_requests() -> None:
    large = Ranges(tar({f"{n}.bin": bytes(1_000_000) for n in range(12)}))
    large.index(open_format("tar", {}))
    assert large.read_bytes < 0.02 * len(large.data)
    small = Ranges(tar({f"{n}.bin": bytes(700) for n in range(3_000)}))
    small.index(open_format("tar", {}))
    assert len(small.reads) <= 3
    assert small.read_bytes <= 1.02 * len(small.data)


class Far(Ranges):
    """Ranges that take a while each, whatever their length."""

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        await asyncio.sleep(2 * FAR_SECONDS)
        return await super().get_range(info, offset, length_bytes)


@pytest.mark.parametrize(("size", "most_far", "most_near"), [(300_000, 12, 41), (60_000, 4, 4), (2_000_000, 41, 41)])
def test_where_requests_take_longer_than_bytes_all_of_a_file_is_read(size: int, most_far: int, most_near: int) -> None:
    data = tar({f"{n:03}.bin": bytes(size) for n in range(40)})
    far, near = Far(data), Ranges(data)
    found = far.index(open_format("tar", {}))
    assert found == near.index(open_format("tar", {}))
    assert len(found[0]) == 40
    assert len(near.reads) <= most_near
    assert len(far.reads) <= most_far


class Counted(Ranges):
    """Ranges of which it is known how many are under way."""

    under_way = most = 0

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0.001)
            return await super().get_range(info, offset, length_bytes)
        finally:
            self.under_way -= 1


@pytest.mark.parametrize("block", [4000, 9999, 100_000])
def test_the_next_block_is_on_its_way_while_one_is_waited_for(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tar({f"{n:03}.bin": bytes(n * 37 % 1500) for n in range(200)})
    at_once, _ = Ranges(data).index(open_format("tar", {}))
    monkeypatch.setattr(blocks, "FIRST_READ_BYTES", 2048)
    monkeypatch.setattr(blocks, "AHEAD_READ_BYTES", block)
    source = Counted(data)
    found, _ = source.index(open_format("tar", {}))
    assert found == at_once
    assert (source.most, source.under_way) == (2, 0)
    behind = sorted(source.reads)[1:]
    # What a member has behind its block's end may be passed over, and nothing is read twice.
    assert all(first + length <= start for (first, length), (start, _) in pairwise(behind))


def test_a_file_that_is_broken_leaves_nothing_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "FIRST_READ_BYTES", 2048)
    monkeypatch.setattr(blocks, "AHEAD_READ_BYTES", 4096)
    data = bytearray(tar({f"{n:03}.bin": bytes(400) for n in range(40)}))
    data[8 * 1024 : 8 * 1024 + 512] = b"x" * 512
    source = Counted(bytes(data))
    with pytest.raises(HeaderMismatch, match="no header"):
        source.index(open_format("tar", {}))
    assert source.under_way == 0


@pytest.mark.parametrize("kind", ["gnu", "pax"])
@pytest.mark.parametrize("mtime", [0, 1.5])
def test_headers_that_are_read_here_are_as_tarfile_reads_them(
    kind: str, mtime: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python and WebDataset write is left to ``tarfile`` where it says more than times and owners."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=KINDS[kind]) as archive:
        for name in ["a.txt", "d/b.txt", "é.txt", "n" * 150 + ".txt", "m" * 90 + "/" + "k" * 60 + ".txt"]:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname = 3, mtime, "somebody"
            archive.addfile(member, io.BytesIO(b"abc"))
    found = Ranges(file.getvalue()).index(open_format("tar", {}))
    monkeypatch.setattr("penstock.formats.tar.headers._read_plain", lambda file, begun: None)
    assert found == Ranges(file.getvalue()).index(open_format("tar", {}))
    assert len(found[0]) == 5


def test_links_devices_folders_and_what_has_no_sample_are_left_out_and_counted() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind in (
            ("d", tarfile.DIRTYPE), ("a.l", tarfile.SYMTYPE), ("b.l", tarfile.LNKTYPE), ("c.l", tarfile.FIFOTYPE),
            ("d.l", tarfile.CHRTYPE), ("e.l", b"V"), ("README", tarfile.REGTYPE), (".hidden", tarfile.REGTYPE),
            ("__meta__/x.json", tarfile.REGTYPE), ("good.txt", tarfile.REGTYPE),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type = kind
            archive.addfile(member)
    extents, left_out = Ranges(file.getvalue()).index(open_format("tar", {}))
    assert [extent.key for extent in extents] == ["one/good"]
    assert {(item.reason, item.count) for item in left_out} == {
        ("a link", 2), ("a device", 2), ("of a kind that is not known, b'V'", 1), ("has no extension", 1),
        ("a system's own", 1),
        ("of the file, not of a sample", 1),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["../x.txt", "d/../../x.txt", "..\\x.txt", "d/.."])
@pytest.mark.parametrize("is_packed", [False, True])
def test_members_whose_names_lead_out_are_left_out_as_of_zip(name: str, is_packed: bool) -> None:
    data = tar({name: b"x", "./a.txt": b"1", "b..c/a.txt": b"2", "__MACOSX/a.txt": b"3", "d/._a.txt": b"4"})
    extents, left_out = Ranges(gzip.compress(data) if is_packed else data).index(open_format("tar", {}))
    assert sum(extent.num_samples for extent in extents) == 2
    assert {each.reason: each.count for each in left_out} == {
        "leads out of the file, by '..'": 1,
        "a system's own": 2,
    }


def test_samples_that_lack_a_member_are_left_out_and_counted() -> None:
    source = Ranges(tar({"a.jpg": b"1", "a.cls": b"1", "b.jpg": b"2"}))
    extents, left_out = source.index(open_format("tar", {"sample": ["jpg", "cls"]}))
    assert [extent.key for extent in extents] == ["one/a"]
    assert left_out == [SkippedObject(object="1 in one", reason="lacks cls", count=1)]
    with pytest.raises(
        ConfigError, match=r"no sample in one has 'jpeg': did you mean 'jpg'\? its samples have: cls, jpg"
    ):
        values(source.data, sample=["jpeg"])


def array(value: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, value)
    return file.getvalue()


def test_members_are_decoded_by_their_extensions() -> None:
    pillow = pytest.importorskip("PIL.Image")
    picture = io.BytesIO()
    pillow.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3)).save(picture, "png")
    members = {
        "cls": b"7\n",
        "txt": "ä".encode(),
        "json": b'{"a": [1]}',
        "npy": array(np.eye(2)),
        "x.PNG": picture.getvalue(),
    }
    (found,) = values(tar({f"a.{what}": data for what, data in {**members, "bin": b"\0"}.items()}), decoded=True)
    assert (found["cls"], found["txt"], found["json"], found["bin"]) == (7, "ä", {"a": [1]}, b"\0")
    assert found["npy"].tolist() == [[1, 0], [0, 1]]
    assert found["x.png"].tolist() == np.arange(12).reshape(2, 2, 3).tolist()


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("cls", b"x"), ("txt", b"\xff"), ("json", b"{"), ("json", b"[" * 100_000), ("npy", b"no"), ("npy", b""),
        ("npy", array(np.eye(9))[:200]), ("npy", array(np.array([{}]))), ("png", b"no"), ("jpg", b""),
    ],
)  # fmt: skip
def test_a_member_that_is_not_what_its_name_says_is_an_error_that_names_it(what: str, data: bytes) -> None:
    with pytest.raises(DataError, match=rf"^{what} of one/a cannot be decoded: .+: write it again") as raised:
        values(tar({f"a.{what}": data}), decoded=True)
    assert raised.value.about == "one/a"


def test_pictures_without_pillow_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIL", "PIL.Image"):  # the second is found by itself where it was imported before
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install 'penstock\[images\]'"):
        values(tar({"a.png": b""}), decoded=True)


def at(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def checked(data: bytes, offset: int, field: int, new: bytes) -> bytes:
    """Write a field of the header at ``offset``, and the checksum that fits it."""
    header = at(data[offset : offset + 512], field, new)
    header = at(header, 148, b" " * 8)
    return at(data, offset, at(header, 148, b"%06o\0 " % sum(header)))


TWO = tar({"a.txt": b"one", "b.txt": b"two"})
LONG_NAME = tar({"a.txt": b"1", "n" * 200 + ".txt": b"2"})


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"no tar at all" * 99, HeaderMismatch, "one is no TAR file: it does not begin with a TAR header"),
        (b"\x1f\x8b" + bytes(600), DataError, "one cannot be unpacked from about byte 4 of 602: "),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 600, DataError, "one cannot be unpacked from about byte 0 of 604: "),
        (b"BZh" + bytes(600), HeaderMismatch, "one is no TAR file: it is packed by bzip2: unpack it, or"),
        (b"x" * 100, TruncatedObject, "one has 100 bytes and ends within a header, from byte 0"),
        (at(TWO, 1024, b"z"), HeaderMismatch, r"one has no header \(bad checksum\) at byte 1024"),
        (at(TWO, 1024 + 148, b"!!!!!!!!"), HeaderMismatch, r"one has no header .* at byte 1024"),
        (checked(TWO, 1024, 124, b"7" * 11 + b"\0"), TruncatedObject, "within 'b.txt', which is said to have 8589934"),
        (checked(TWO, 1024, 124, b"\xff" * 12), HeaderMismatch, "one has .* at byte 1024"),
        (TWO[:1024 + 300], TruncatedObject, "one has 1324 bytes and ends within a header, from byte 1024"),
        (TWO[: 1024 + 512 + 1], TruncatedObject, "ends within 'b.txt', which is said to have 3 bytes, from byte 1024"),
        (checked(LONG_NAME, 1024, 124, b"00010000000\0"), HeaderMismatch, "one has no header .* at byte 1024"),
        (checked(LONG_NAME + bytes(3 << 20), 1024, 124, b"00010000000\0"), HeaderMismatch, "has headers of "),
        (LONG_NAME[:1024 + 512], HeaderMismatch, r"one has no header .* at byte 1024"),
        (LONG_NAME[: 1024 + 1024], HeaderMismatch, r"one has no header .* at byte 1024"),
        (tar({"a.txt": b"1", "a.TXT": b"2"}), HeaderMismatch, "one has 'a.TXT' twice, at byte 0 and at byte 1024"),
    ],
)  # fmt: skip
def test_what_lies_is_an_error_with_object_and_place(data: bytes, error: type[PenstockError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        values(data)
    assert raised.value.about == "one"


def test_damage_anywhere_is_an_error_or_the_same_structure() -> None:
    """No other kind of error, and no endless loop."""
    rng = np.random.default_rng(0)
    for made in (TWO, LONG_NAME, tar({"é" * 120 + ".txt": b"3", "b.txt": b"4"}, "pax")):
        for _ in range(150):
            place = int(rng.integers(len(made)))
            for data in (at(made, place, bytes([int(rng.integers(256))])), made[: place + 1]):
                try:
                    found = values(data)
                except PenstockError:
                    continue
                assert len(found) <= 2


def test_a_global_pax_header_and_sizes_in_pax_headers_are_honoured() -> None:
    data = tar({"a.txt": b"123", "b.txt": b"45"}, "pax", comment="x" * 900)
    assert [each["txt"] for each in values(data)] == [b"123", b"45"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": []}, "sample"),
        ({"sample": [1]}, "sample"),
        ({"decoded": "yes"}, "decoded 'yes': give true, false, or "),
        ({"samples": ["a"]}, "has no option 'samples': did you mean 'sample'"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_format("tar", options)


def test_an_unknown_format_names_those_there_are() -> None:
    there = ", ".join(format_names())
    with pytest.raises(
        ConfigError, match=rf"there is no format 'parqet': did you mean 'parquet'\? choose one of: {there}"
    ):
        open_format("parqet", {})
