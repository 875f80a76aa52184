"""Values of MDS shards are those that MosaicML Streaming wrote; nothing is unpickled, and what lies is named."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import random
import struct
import zlib
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError, TruncatedObject
from penstock.formats.registry import open_format
from support.folder_source import Folder
from support.ranges import Ranges

WRITTEN = zlib.decompress(base64.b85decode(
    'c-rk$&2G~`5FXo28$v@1LLgNf!k!R{BHJ_}GKWAE)aF1{Rop^J-PmcD+Uv@8P)k(_0T(WuIq(dqkH8af<qYZrzzYDgKNf}(P5~~R'
    '(a!Gd?0)mJKL!AN&;Z`+0N1AgZWRFz$RG+vA?y2W5P6hsCB&)p2=m-HcK1oOLN@nPKj8y4=Zq*ztp=Y-(zx&W0~)#kSBF95rZ?=&'
    'g3I{uQ4%rU2Q*20yKHNnE6Rqd=xC64An+Z#njvL?0-vm-rebDp=*xIr5h)iQ7rqEbI1(WU|H6fE$Av`YLPWBc$4%%HiOWVoP_3Ml'
    'i@%#}{y~-C;co0F3B`Ii%0`A!9AZ*Vg@m4nX4_4+rE|WAN74^yNcob+P0MUH8|a)o_G5)(AI^d#JW;^Yg#~Q$*zj~=728#1H?Xyf'
    'ng-c=Z3av}u*`9EKz4W}rb^-vexaAED@*0lLJ5cE?s8{MdC`k_!{EZDFZZy!-0j@CzxQU~ZFrkQK_8EgUmSt{3YOos9$w=(-McHD'
    'x9yE*VzUBSTWW)*8&iepnc|t!+1c{Bx%u;%W3y&nRO#}x3%Rr(<kB{j9n;o-j{I{==3leyI;yR)HLz3-tb7eL<zv$Me^d0&>#Bj|'
    'Pp_YwHM@RAt?%iwepzjga<!fQaixqCwUu-mv_ciDe9EUhdFB@t;OY3MYpbVg=bx^wuJGS@zLUoL`oF#d9VFv-Aby1Ucivx4=K'
))  # fmt: skip
"""A shard that MosaicML Streaming 0.13 wrote."""


def shard(columns: dict[str, tuple[str, int | None]], rows: list[list[bytes]], **changed: Any) -> bytes:
    """Write a shard of values that are encoded already."""
    told = {
        "column_encodings": [encoding for encoding, _ in columns.values()],
        "column_names": list(columns),
        "column_sizes": [size for _, size in columns.values()],
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": 1 << 26,
        "version": 2,
        **changed,
    }
    sizes = [size for _, size in columns.values()]
    samples = [
        b"".join(struct.pack("<I", len(x)) for x, size in zip(row, sizes, strict=True) if not size) + b"".join(row)
        for row in rows
    ]
    text = json.dumps(told).encode()
    at = 4 + 4 * (len(rows) + 1) + len(text)
    offsets = np.cumsum([at, *map(len, samples)]).astype("<u4")
    return struct.pack("<I", len(rows)) + offsets.tobytes() + text + b"".join(samples)


def values(data: bytes, key: str = "a/one.mds", **options: Any) -> list[Any]:
    return Ranges(data, key).values(pickle.loads(pickle.dumps(open_format("mds", options))))


def test_all_encodings_of_a_shard_that_the_library_wrote() -> None:
    found = values(WRITTEN, block=300)
    picture = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert len(found) == 3
    for k, row in enumerate(found):
        assert list(row) == sorted(row)
        for name in "pr":
            assert (row[name].dtype, row[name].tolist()) == (np.uint8, picture.tolist())
        assert [each.tolist() for each in row["l"]] == [picture.tolist()] * k
        assert (row["a"].dtype, row["a"].tolist()) == (np.float64, [list(range(k + 1))])
        assert (row["d"].dtype, row["d"].tolist()) == (np.uint16, [7] * (300 if k == 2 else 1))
        assert (row["s"].dtype, row["s"].tolist()) == (np.int16, [[k, k], [k, k]])
        assert row["s"].flags.writeable
        plain = {name: row[name] for name in "tbnfixej"}
        assert plain == {
            "t": "\N{SNOWMAN}" * k,
            "b": bytes(range(k)),
            "n": -k,
            "f": k / 2,
            "i": 10**25 + k,
            "x": k / 4,
            "e": Decimal(k) / 8,
            "j": {"k": [k, None]},
        }
        assert [type(row[name]) for name in "nfixe"] == [int, np.float32, int, float, Decimal]
    assert list(values(WRITTEN, columns=["t", "n"])[1]) == ["t", "n"]
    assert values(WRITTEN, columns="p", pictures="bytes")[0]["p"].startswith(b"\x89PNG")


def some_rows(count: int, size: int = 1000) -> bytes:
    chance = random.Random(0)
    rows = [[b"%d" % n, chance.randbytes(size + n % 7), n.to_bytes(8, "little")] for n in range(count)]
    return shard({"id": ("str", None), "data": ("bytes", None), "n": ("int", 8)}, rows)


def test_runs_are_read_by_the_offsets_and_nothing_else() -> None:
    data = some_rows(3000)
    source = Ranges(data, "one.mds")
    extents, skipped = source.index(open_format("mds", {"block": "64Ki"}))
    assert source.read_bytes <= 80 << 10
    assert not skipped
    assert sum(extent.num_samples for extent in extents) == 3000
    assert all(64 << 10 <= extent.size_bytes < 66 << 10 for extent in extents[:-1])
    assert len({extent.codec for extent in extents}) == 1
    kind = open_format("mds", {})
    first = sum(extent.num_samples for extent in extents[:5])
    assert extents[5].key == f"one.mds/{first}"
    found = kind.decode(memoryview(source.joined(extents[5])), extents[5], extents[5].codec, np.array([3, 7]))
    assert [(row["id"], row["n"]) for row in found] == [(str(first + n), first + n) for n in (3, 7)]


def test_packed_shards_are_those_that_are_not_packed() -> None:
    data = some_rows(1500)
    told = values(data)
    frames = b"".join(
        pa.Codec("zstd").compress(data[at : at + 99_999], asbytes=True) for at in range(0, len(data), 99_999)
    )
    for key, packed in (
        ("one.mds.zstd", pa.Codec("zstd").compress(data, asbytes=True)),
        ("one.mds.zstd", frames),
        ("one.mds.gz", gzip.compress(data)),
    ):
        assert values(packed, key, block="100Ki") == told
        with pytest.raises(DataError, match=key):
            values(packed[:-9], key)
    assert len(Ranges(frames, "one.mds.zstd").index(open_format("mds", {"block": "100Ki"}))[0]) > 5
    cut = pa.Codec("zstd").compress(data[:-1], asbytes=True)
    with pytest.raises(TruncatedObject, match="ends before its last sample, at byte"):
        values(cut, "one.mds.zstd")


def index_of(*shards: tuple[str | None, str | None]) -> bytes:
    """Return an index of shards, each by the name of its file and of what it is packed as."""
    files = [[None if name is None else {"basename": name, "bytes": 9} for name in each] for each in shards]
    return json.dumps({"shards": [{"raw_data": raw, "zip_data": packed} for raw, packed in files]}).encode()


def test_a_shard_that_the_index_names_and_that_is_not_there_is_missed() -> None:
    one, names = some_rows(5), [("0.mds", None), ("1.mds", "1.mds.zstd"), ("p/2.mds", None)]
    packed = pa.Codec("zstd").compress(one, asbytes=True)
    files = {"d/0.mds": one, "d/1.mds.zstd": packed, "d/p/2.mds": one, "d/index.json": index_of(*names)}
    extents, skipped = Folder(files).index(open_format("mds", {}))
    assert (sum(extent.num_samples for extent in extents), skipped) == (15, [])
    at_root = {key.removeprefix("d/"): data for key, data in files.items()}
    assert len(Folder(at_root).index(open_format("mds", {}))[0]) == 3
    for key in ("d/0.mds", "d/1.mds.zstd", "d/p/2.mds"):
        lacking = {name: data for name, data in files.items() if name != key}
        with pytest.raises(DataError, match=r"d/index.json names '.*', which does not lie beside it \(1 in all\)"):
            Folder(lacking).index(open_format("mds", {}))
    outside = {**files, "d/index.json": index_of(("../secret.mds", None)), "secret.mds": one}
    with pytest.raises(DataError, match=r"names '../secret.mds', which does not lie beside it"):
        Folder(outside).index(open_format("mds", {}))
    for other in (b"{", b"[1]", b'{"chunks": []}'):
        _, skipped = Folder({**files, "d/index.json": other}).index(open_format("mds", {}))
        assert [each.reason for each in skipped] == ["is no index of MDS"]


def test_the_index_and_empty_shards_have_no_samples() -> None:
    assert Ranges(b'{"shards": [], "version": 2}', "d/index.json").index(open_format("mds", {})) == ([], [])
    extents, skipped = Ranges(shard({"n": ("int", 8)}, []), "one.mds").index(open_format("mds", {}))
    assert (extents, [each.reason for each in skipped]) == ([], ["has no samples"])


def test_what_is_pickled_is_refused_by_name_and_may_be_left_out() -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return pytest.fail, ("it was unpickled",)

    data = shard({"o": ("pkl", None), "n": ("int", 8)}, [[pickle.dumps(Evil()), bytes(8)]])
    with pytest.raises(DataError, match=r"the column 'o' of a/one.mds \(pkl\) is pickled"):
        values(data)
    assert values(data, columns="n") == [{"n": 0}]
    with pytest.raises(DataError, match=r"'x' of a/one.mds .* is of the encoding 'new', which is not known"):
        values(shard({"x": ("new", None)}, [[b""]]))
    with pytest.raises(ConfigError, match=r"a/one.mds has no column 'm': .*its columns are: o, n"):
        values(data, columns="m")
    with pytest.raises(ConfigError, match="pictures 'no'"):
        open_format("mds", {"pictures": "no"})


GOOD = shard({"n": ("int", 8), "t": ("str", None)}, [[bytes(8), b"ab"], [bytes(8), b"cde"]])


def put(at: int, number: int) -> bytes:
    return GOOD[:at] + struct.pack("<I", number) + GOOD[at + 4 :]


@pytest.mark.parametrize(
    ("data", "error", "told"),
    [
        (b"no", TruncatedObject, "has 2 bytes and ends before its offsets"),
        (b"no shard at all, but text", HeaderMismatch, "byte 0 tells of 1931505518 samples"),
        (b'{"shards": []}', HeaderMismatch, "byte 0 tells of"),
        (put(0, 2**32 - 1), HeaderMismatch, "byte 0 tells of 4294967295 samples, and byte 4 that the first begins at"),
        (put(0, 1), HeaderMismatch, "at byte 12 are no columns in JSON"),
        (put(4, 3), HeaderMismatch, "byte 0 tells of 2 samples, and byte 4 that the first begins at byte 3"),
        (put(4, 1 << 20), TruncatedObject, "ends before its samples, at byte 1048576"),
        (put(8, 2**32 - 1), HeaderMismatch, "byte 8 tells that sample 1 lies from byte 4294967295 to"),
        (put(8, 20), HeaderMismatch, "byte 4 tells that sample 0 lies from byte [0-9]+ to 20, which takes 12 at least"),
        (put(12, len(GOOD) + 1), TruncatedObject, f"ends before its last sample, at byte {len(GOOD) + 1}"),
        (GOOD[:-1], TruncatedObject, f"ends before its last sample, at byte {len(GOOD)}"),
        (GOOD + b"x", HeaderMismatch, f"byte 12 tells that the last sample ends at byte {len(GOOD)}, of"),
        (GOOD[:100], TruncatedObject, "has 100 bytes and ends before its samples"),
        (put(len(GOOD) - 15, 2**31), DataError, "sample 1 of a/one.mds cannot be read, at byte 14 from sample 0"),
        (put(len(GOOD) - 15, 2), DataError, "sample 2 of a/one.mds cannot be read"),
        (GOOD[:-1] + b"\xff", DataError, "sample 1 of a/one.mds cannot be read, at byte 26 from sample 0 on: 't'"),
        (shard({"n": ("int", None)}, [[b"1234"]]), DataError, "'n': 4 bytes, not 8"),
        (shard({"n": ("int8", 2)}, [[b"12"]]), DataError, "'n': 2 bytes, not 1"),
        (shard({"n": ("ndarray", None)}, [[b""]]), DataError, "an array of the type b''"),
        (shard({"n": ("ndarray", None)}, [[b"\x08"]]), DataError, "an array without a shape"),
        (shard({"n": ("ndarray:uint8", None)}, [[b"\x0b" + b"\xff" * 16]]), DataError, "0 bytes of an array of uint8"),
        (shard({"n": ("ndarray:uint8", None)}, [[b"\xff"]]), DataError, "an array of 63 dimensions in 1 bytes"),
        (shard({"n": ("ndarray:object", None)}, [[b""]]), DataError, "is of arrays of 'object', which is not known"),
        (shard({"n": ("ndarray:int8:-1", None)}, [[b""]]), DataError, "is of arrays of the shape '-1'"),
        (shard({"n": ("png", None)}, [[b"\x89PNG"]]), DataError, "'n': cannot identify image file: its"),
        (shard({"n": ("pil", None)}, [[struct.pack("<III", 2**31, 2**31, 3) + b"RGB"]]), DataError, "in 0 bytes"),
        (shard({"n": ("pil", None)}, [[struct.pack("<III", 1, 1, 2**31) + b"RGB"]]), DataError, "whose mode has"),
        (shard({"n": ("list[png]", None)}, [[struct.pack("<II", 0, 2**31)]]), DataError, "a list of 2147483648 items"),
        (shard({"n": ("jpeg_array", None)}, [[struct.pack("<II", 1, 9)]]), DataError, "a list of 1 items of 9 bytes"),
        (shard({"n": ("json", None)}, [[b"[" * 100_000]]), DataError, "JSON that is nested too deep"),
        (shard({"n": ("str_int", None)}, [[b"9" * 10_000]]), DataError, "'n': "),
        (shard({"n": ("str_decimal", None)}, [[b"x"]]), DataError, "b'x' is no number"),
        (shard({"n": ("int", 8)}, [], version=3), HeaderMismatch, "the format 'mds', version 3, not"),
        (shard({"n": ("int", 8)}, [], column_names=["n", "m"]), HeaderMismatch, "are 2 names, 1 encodings and 1 sizes"),
        (shard({"n": ("int", 8)}, [], column_sizes=[-8]), HeaderMismatch, "and size -8"),
        (shard({"n": ("int", 8)}, [], column_names=8), HeaderMismatch, "are no lists of columns"),
        (shard({}, []), HeaderMismatch, "are 0 names"),
    ],
)  # fmt: skip
def test_what_lies_is_an_error(data: bytes, error: type[PenstockError], told: str) -> None:
    with pytest.raises(error, match=told) as raised:
        values(data)
    assert raised.value.about == "a/one.mds"
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["one.mds.br", "one.mds.bz2", "one.mds.snappy"])
def test_other_packing_is_refused_by_name(key: str) -> None:
    with pytest.raises(HeaderMismatch, match=f"{key} is no MDS shard that can be read: it is packed as "):
        values(b"x" * 100, key)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(WRITTEN) - 1), new=st.binary(min_size=1, max_size=6), cut=st.booleans())
def test_damage_is_told_or_changes_values(at: int, new: bytes, cut: bool) -> None:
    data = WRITTEN[:at] + new + (b"" if cut else WRITTEN[at + len(new) :])
    try:
        values(data)
    except PenstockError as error:
        assert "one.mds" in str(error)  # noqa: PT017
