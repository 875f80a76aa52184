"""Packed TAR files give the samples that they give unpacked, of which any are read without those before."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import tarfile
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError, TruncatedObject
from penstock.formats.registry import open_format
from penstock.formats.tar import format as tar_format
from support.ranges import Ranges


def tar(members: dict[str, bytes], *, ended: bool = True) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue() if ended else file.getvalue()[: archive.offset]


def framed(data: bytes, size: int = 100_000) -> bytes:
    return b"".join(pa.Codec("zstd").compress(data[at : at + size], asbytes=True) for at in range(0, len(data), size))


CHANCE = random.Random(0)
MEMBERS = {
    f"d/{n:04}.{what}": CHANCE.randbytes(size) if n % 5 else b""
    for n in range(300)
    for what, size in (("jpg", CHANCE.randrange(9_000)), ("cls", 3))
}
TAR = tar(MEMBERS)
APART = tar(dict(sorted(MEMBERS.items(), key=lambda item: item[0].rpartition(".")[2])))
PACK = {"gzip": gzip.compress, "zstd": framed, "bgzip": lambda data: b"".join(
    gzip.compress(data[at : at + 65_000]) for at in range(0, len(data), 65_000))}  # fmt: skip


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_format, "BLOCK_BYTES", 100_000)


def values(data: bytes, **options: Any) -> list[Any]:
    return Ranges(data).values(pickle.loads(pickle.dumps(open_format("tar", options))))


@pytest.mark.parametrize("how", list(PACK))
@pytest.mark.parametrize("data", [TAR, APART, tar(MEMBERS, ended=False), tar({"a.cls": b"", "b.cls": b""})])
@pytest.mark.parametrize("options", [{}, {"sample": ["cls"]}])
def test_samples_are_those_of_the_file_unpacked(how: str, data: bytes, options: dict[str, Any]) -> None:
    told = sorted(values(data, **options), key=lambda sample: str(sample["__key__"]))
    source = Ranges(PACK[how](data))
    extents, _ = source.index(open_format("tar", options))
    assert source.read_bytes <= len(source.data) + (64 << 10)
    assert len(extents) > 5 or len(data) < 100_000 or options
    assert sorted(values(source.data, **options), key=lambda sample: str(sample["__key__"])) == told
    assert {key for extent in extents for key in extent.keys} == {f"one/{sample['__key__']}" for sample in told}
    if data is TAR and not options:
        assert sum(extent.size_bytes for extent in extents) <= 2.1 * len(source.data)


def test_some_samples_of_an_extent_are_decoded() -> None:
    kind = open_format("tar", {})
    source = Ranges(gzip.compress(TAR))
    extents, _ = source.index(kind)
    extent = extents[2]
    every = kind.decode(source.joined(extent), extent, extent.codec, np.arange(extent.num_samples))
    some = kind.decode(source.joined(extent), extent, extent.codec, np.array([1, 4]))
    assert list(some) == [every[1], every[4]]


@pytest.mark.parametrize("how", list(PACK))
def test_what_is_cut_off_or_no_tar_is_an_error(how: str) -> None:
    pack = PACK[how]
    with pytest.raises(TruncatedObject, match=r"one unpacks to .* bytes and ends within a member that ends at byte"):
        values(pack(TAR[: len(TAR) - 30_000]))
    with pytest.raises(DataError, match=r"one has .* bytes and ends within what is packed in it"):
        values(pack(TAR)[:-100])
    with pytest.raises(HeaderMismatch, match="one is no TAR file: it does not begin with a TAR header"):
        values(pack(b"no tar at all" * 99))
    with pytest.raises(HeaderMismatch, match="one is no TAR file: it is packed twice"):
        values(pack(gzip.compress(TAR)))
    with pytest.raises(ConfigError, match="no sample in one has 'png'"):
        values(pack(TAR), sample="png")


def test_damage_anywhere_is_an_error_or_seen_by_nobody() -> None:
    chance = random.Random(1)
    small = tar({f"{n}.txt": b"text" * n for n in range(30)})
    for data in (gzip.compress(small), framed(small, 9_000)):
        for _ in range(80):
            place = chance.randrange(len(data))
            for damaged in (data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :], data[: place + 1]):
                try:
                    assert len(values(damaged)) <= 30
                except PenstockError:
                    continue
