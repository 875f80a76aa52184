"""Rows and chunks of Zarr are those that the zarr library reads, and only what they take is read; damage is named."""

from __future__ import annotations

import gzip
import json
import pickle
from typing import Any

import numcodecs
import numpy as np
import pyarrow as pa
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

import penstock
from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError
from penstock.formats.registry import open_format
from penstock.formats.zarr.types import fill_of, type_of_v3
from penstock.formats.zarr.unpacking import unpack
from support.folder_source import Folder

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


def stored(make: Any, **options: Any) -> dict[str, bytes]:
    """Return the objects of a group that is filled in."""
    store: dict[str, Any] = {}
    group = zarr.open_group(zarr.storage.MemoryStore(store), mode="w", **options)
    make(group)
    return {key: value.to_bytes() for key, value in store.items()}


def kind(**options: Any) -> Any:
    return pickle.loads(pickle.dumps(open_format("zarr", options)))


def same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    if other.dtype == object or other.dtype.kind == "T":
        return one.tolist() == other.tolist()
    return (
        one.shape == other.shape
        and one.dtype == other.dtype.newbyteorder("=")
        and (one.tobytes() == other.astype(one.dtype).tobytes())
    )


def numbers(shape: tuple[int, ...], dtype: str) -> Any:
    made = np.arange(int(np.prod(shape))) * 7 % 100
    if np.dtype(dtype).kind in "SU":
        return made.astype(str).astype(dtype).reshape(shape)
    return (made % 2 if dtype == "bool" else made).astype("i8").astype(dtype).reshape(shape)


SLASHES = {"name": "v2", "separator": "/"}
SCALED = numcodecs.FixedScaleOffset(0, 1, "f8", "u1")
V3: list[dict[str, Any]] = [
    {"dtype": "float32", "chunks": (3, 4)},
    {"dtype": "int16", "chunks": (3, 4), "shards": (6, 8), "compressors": GzipCodec()},
    {"dtype": "uint8", "chunks": (1, 2), "shards": (4, 10), "compressors": None},
    {"dtype": "float64", "chunks": (11, 10), "compressors": BloscCodec(cname="zstd", shuffle="shuffle")},
    {"dtype": "int64", "chunks": (4, 3), "compressors": [ZstdCodec(), Crc32cCodec()]},
    {"dtype": "int32", "chunks": (4, 3), "filters": TransposeCodec(order=(1, 0))},
    {"dtype": "float16", "chunks": (4, 3), "serializer": BytesCodec(endian="big")},
    {"dtype": "complex64", "chunks": (20, 20), "fill_value": 1 + 2j},
    {"dtype": "bool", "chunks": (2, 2), "chunk_key_encoding": {"name": "v2", "separator": "."}},
    {"dtype": "uint16", "chunks": (4, 4), "chunk_key_encoding": {"name": "default", "separator": "."}},
    {"dtype": "M8[ms]", "chunks": (5, 5)},
    {"dtype": "U3", "chunks": (5, 5)},
    {"dtype": "S4", "chunks": (5, 5)},
]
V2: list[dict[str, Any]] = [
    {"dtype": ">f4", "chunks": (3, 4)},
    {"dtype": "int16", "chunks": (3, 4), "order": "F", "compressors": numcodecs.Zlib()},
    {"dtype": "uint8", "chunks": (3, 10), "compressors": numcodecs.LZ4(), "chunk_key_encoding": SLASHES},
    {"dtype": "int64", "chunks": (3, 4), "compressors": numcodecs.BZ2(), "filters": [numcodecs.Delta("i8")]},
    {"dtype": "float64", "chunks": (3, 4), "compressors": numcodecs.LZMA(), "filters": [numcodecs.Shuffle(8)]},
    {"dtype": "float64", "chunks": (3, 4), "compressors": numcodecs.GZip(), "filters": [SCALED]},
    {"dtype": "int32", "chunks": (3, 4), "compressors": None, "filters": [numcodecs.CRC32()]},
    {"dtype": "S3", "chunks": (3, 4), "compressors": numcodecs.Zstd()},
    {"dtype": "M8[D]", "chunks": (3, 4)},
]  # fmt: skip


@pytest.mark.parametrize(("version", "options"), [(3, each) for each in V3] + [(2, each) for each in V2])
def test_rows_and_chunks_are_those_of_the_library(version: int, options: dict[str, Any]) -> None:
    written = numbers((11, 10), options["dtype"])
    arrays = []

    def make(group: Any) -> None:
        array = group.create_array("x", shape=(11, 10), **options)
        array[:7, :5] = written[:7, :5]
        arrays.append(array[:])

    files = stored(make, zarr_format=version)
    (whole,) = arrays
    for block in (1, "4Mi"):
        rows = Folder(files).values(kind(block=block))
        assert [list(row) for row in rows] == [["x"]] * 11
        assert all(same(row["x"], whole[number]) for number, row in enumerate(rows))
    chunks = Folder(files).values(kind(by="chunk"))
    first, second = options["chunks"]
    places = [(a, b) for a in range(0, 11, first) for b in range(0, 10, second)]
    assert len(chunks) == len(places)
    for (a, b), chunk in zip(places, chunks, strict=True):
        assert same(chunk["x"], whole[a : a + first, b : b + second])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("is_consolidated", [True, False])
def test_groups_in_groups_text_and_columns(version: int, is_consolidated: bool) -> None:
    text = np.array([f"é{n}" * n for n in range(7)], dtype=object)
    store: dict[str, Any] = {}
    memory = zarr.storage.MemoryStore(store)
    group = zarr.open_group(memory, mode="w", zarr_format=version)
    for path in ("", "train"):
        own = group.create_group(path) if path else group
        own.create_array("x", data=np.arange(21, dtype=np.float32).reshape(7, 3) + len(path), chunks=(2, 2))
        own.create_array("t", shape=(7,), chunks=(3,), dtype=str)[:] = text
    if is_consolidated:
        zarr.consolidate_metadata(memory, zarr_format=version)
    files = {f"all.zarr/{key}": value.to_bytes() for key, value in store.items()}
    source = Folder(files)
    extents, _ = source.index(kind(block=1))
    keys = [f"all.zarr{path}/{first}" for path in ("", "/train") for first in (0, 3, 6)]
    assert sorted(extent.key for extent in extents) == keys
    assert {extent.group for extent in extents} == {"all.zarr", "all.zarr/train"}
    rows = Folder(files).values(kind())
    assert [row["t"] for row in rows] == [*text, *text]
    found = sorted(row["x"].tolist() for row in rows)
    assert found == sorted((np.arange(21).reshape(7, 3) + more).tolist()[n] for more in (0.0, 5.0) for n in range(7))
    assert [list(row) for row in Folder(files).values(kind(columns=["x"]))] == [["x"]] * 14
    with pytest.raises(ConfigError, match=r"has no array 'y': .*its arrays are: t, x"):
        Folder(files).values(kind(columns="y"))


def test_an_array_alone_and_with_numbers_beside_it() -> None:
    store: dict[str, Any] = {}
    array = zarr.create_array(zarr.storage.MemoryStore(store), data=np.arange(10.0), chunks=(3,))
    rows = Folder({key: value.to_bytes() for key, value in store.items()}).values(kind())
    assert rows == array[:].tolist()

    def make(group: Any) -> None:
        group.create_array("x", data=np.arange(4), chunks=(2,))
        group.create_array("one", shape=(), dtype="f4")
        group.create_array("axis", data=np.arange(9), chunks=(9,))

    files = stored(make)
    with pytest.raises(ConfigError, match="'axis' has 9 rows, 'x' 4: choose arrays of as many rows with columns"):
        Folder(files).values(kind())
    assert [row["x"] for row in Folder(files).values(kind(columns=["x"]))] == [0, 1, 2, 3]
    assert {each.reason for each in Folder(files).index(kind(columns=["one", "x"]))[1]} == {
        "is one number, without rows"
    }


def test_of_shards_indexes_alone_are_read_and_of_rows_their_own_chunks() -> None:
    def make(group: Any) -> None:
        group.create_array(
            "x", data=np.arange(64_000.0).reshape(1000, 64), chunks=(10, 64), shards=(500, 64), compressors=None
        )

    files = stored(make)
    source = Folder(files)
    extents, _ = source.index(kind(block=1))
    metadata = sum(length for key, _, length in source.reads if key.endswith("zarr.json"))
    assert source.read_bytes == metadata + 2 * (50 * 16 + 4)
    assert source.num_listings == 1
    assert {extent.size_bytes for extent in extents} == {10 * 64 * 8}
    assert len(extents) == 100
    made = kind()
    (row,) = made.decode(source.joined(extents[70]), extents[70], extents[70].codec, np.array([3]))
    assert row["x"].tolist() == list(range(703 * 64, 704 * 64))


@pytest.mark.parametrize("version", [2, 3])
def test_fields(version: int) -> None:
    whole = np.zeros(5, [("a", "<f4"), ("b", "<i2")])
    whole["a"], whole["b"] = np.arange(5) / 2, np.arange(5)
    files = stored(lambda group: group.create_array("x", data=whole, chunks=(2,)), zarr_format=version)
    assert [row["x"].tolist() for row in Folder(files).values(kind(block=1))] == whole.tolist()


def test_rows_that_are_nowhere_have_the_fill_value() -> None:
    files = stored(lambda group: group.create_array("x", shape=(10, 2), chunks=(2, 2), dtype="f4", fill_value=np.nan))
    rows = Folder(files).values(kind(block=1))
    assert len(rows) == 10
    assert np.isnan(np.concatenate([row["x"] for row in rows])).all()


def test_a_folder_through_the_library(tmp_path: Any) -> None:
    group = zarr.open_group(tmp_path / "data" / "a.zarr", mode="w")
    group.create_array("x", data=np.arange(40, dtype=np.int64).reshape(20, 2), chunks=(3, 2))
    dataset = penstock.of_format("zarr", tmp_path / "data")
    with dataset.loader(4, workers=0, epochs=1) as loader:
        found = sorted(int(row[0]) for batch in loader for row in batch["x"])
    assert found == list(range(0, 40, 2))


def changed(**about: Any) -> dict[str, bytes]:
    files = stored(lambda group: group.create_array("x", data=np.arange(6.0), chunks=(2,)))
    told = json.loads(files["x/zarr.json"]) | about
    return files | {"x/zarr.json": json.dumps(told).encode()}


def changed_v2(**about: Any) -> dict[str, bytes]:
    files = stored(lambda group: group.create_array("x", data=np.arange(6.0), chunks=(2,)), zarr_format=2)
    told = json.loads(files["x/.zarray"]) | about
    return files | {"x/.zarray": json.dumps(told).encode()}


def sharded() -> dict[str, bytes]:
    return stored(lambda group: group.create_array("x", data=np.arange(8.0), chunks=(2,), shards=(8,)))


SHARD = sharded()["x/c/0"]
REFUSED: list[tuple[dict[str, bytes], type[PenstockError], str]] = [
    (changed(codecs=[{"name": "pickle"}]), HeaderMismatch, "the codec 'pickle', which is not read"),
    (changed(data_type="float8"), HeaderMismatch, "the type 'float8'"),
    (changed(zarr_format=4), HeaderMismatch, "the version 4"),
    (changed(storage_transformers=[{"name": "x"}]), HeaderMismatch, "storage transformers"),
    (changed(chunk_grid={"name": "rectilinear", "configuration": {}}), HeaderMismatch, "the chunk grid 'rectilinear'"),
    (changed(shape=[-1]), HeaderMismatch, "the shape"),
    (changed(shape=["6"]), HeaderMismatch, "the shape"),
    (changed(shape=[6, 6]), HeaderMismatch, "the shape"),
    (changed(shape=[1 << 50]), DataError, "chunks, more than"),
    (changed(codecs="x"), HeaderMismatch, "'x'"),
    (changed(fill_value="what"), HeaderMismatch, "the fill_value 'what'"),
    (changed() | {"x/c/0": b"damaged"}, DataError, "'x' of 0 cannot be read|cannot be read: no whole Zstandard"),
    (changed() | {"x/c/0": pa.Codec("zstd").compress(bytes(1 << 24), asbytes=True)}, DataError, "unpacks to more than"),
    (changed() | {"x/c/0": pa.Codec("zstd").compress(b"123", asbytes=True)}, DataError, "3 bytes of a chunk of 16"),
    (changed() | {"x/c/0": b""}, HeaderMismatch, "a chunk of no bytes"),
    (changed() | {"zarr.json": b"{"}, HeaderMismatch, "no JSON"),
    (changed_v2(dtype="|O"), HeaderMismatch, "objects of Python, packed by 'nothing'"),
    (changed_v2(dtype="|O", filters=[{"id": "pickle"}]), HeaderMismatch, "objects of Python, packed by 'pickle'"),
    (changed_v2(compressor={"id": "imagecodecs_jpeg"}), HeaderMismatch, "the codec 'imagecodecs_jpeg'"),
    (changed_v2(dtype="<f99"), HeaderMismatch, "the type '<f99'"),
    (changed_v2(dimension_separator="x"), HeaderMismatch, "the separator 'x'"),
    (changed_v2(order="Z"), HeaderMismatch, "the order 'Z'"),
    (changed_v2(compressor={"id": "zlib"}, chunks=[2]), DataError, "cannot be read"),
    (sharded() | {"x/c/0": SHARD[:-1]}, HeaderMismatch, "checksum of the shard's index"),
    (sharded() | {"x/c/0": SHARD[:10]}, HeaderMismatch, "10 bytes of a shard whose index"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "error", "what"), REFUSED)
def test_what_cannot_be_read_is_named(files: dict[str, bytes], error: type[PenstockError], what: str) -> None:
    with pytest.raises(error, match=what) as raised:
        Folder(files).values(kind())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["<U3", [("t", "<U3"), ("n", "<i4")]])
def test_texts_beyond_unicode_are_no_texts(version: int, dtype: Any) -> None:
    """Numpy holds whatever 32 bits stand for a character, and fails where somebody looks at it."""
    data = np.zeros(4, dtype)
    (data if data.dtype.names is None else data["t"])[:] = "ab"
    made = stored(lambda group: group.create_array("x", data=data, chunks=(4,), compressors=None), zarr_format=version)
    name = next(key for key in made if key in ("x/0", "x/c/0"))
    Folder(made).values(kind())
    damaged = made | {name: b"\xff\xff\xff\x7f" + made[name][4:]}
    with pytest.raises(DataError, match="0x7fffffff, beyond the last of Unicode"):
        Folder(damaged).values(kind())


def test_bombs_do_not_unpack() -> None:
    most = 1000
    zeros = bytes(1 << 20)
    for name, data in (
        ("gzip", gzip.compress(zeros)),
        ("zlib", numcodecs.Zlib().encode(zeros)),
        ("bz2", numcodecs.BZ2().encode(zeros)),
        ("lzma", numcodecs.LZMA().encode(zeros)),
        ("zstd", numcodecs.Zstd().encode(zeros)),
        ("blosc", numcodecs.Blosc().encode(zeros)),
        ("lz4", numcodecs.LZ4().encode(zeros)),
    ):
        with pytest.raises(ValueError, match=r"more than|unpacks? to"):
            unpack(name, {}, bytes(data), most)
        assert unpack(name, {}, bytes(data), len(zeros)) == zeros
        with pytest.raises(ValueError):
            unpack(name, {}, bytes(data)[:-9], len(zeros))


def test_options() -> None:
    for options in ({"by": "x"}, {"columns": []}, {"block": "1Gi"}, {"memory": 0}):
        with pytest.raises(ConfigError):
            kind(**options)
    with pytest.raises(DataError, match="more than memory="):
        Folder(changed()).values(kind(memory=8))


def test_fill_values_and_types_of_their_own() -> None:
    assert fill_of("<f4", "0x7fc00000") != fill_of("<f4", "0x7fc00000")
    assert fill_of("<f8", "-Infinity") == -np.inf
    assert fill_of("<c8", ["NaN", 1.0]).imag == 1
    assert fill_of("|S3", "YWI=") == b"ab"
    assert np.isnat(fill_of("<M8[s]", "NaT"))
    assert type_of_v3({"name": "numpy.timedelta64", "configuration": {"unit": "s", "scale_factor": 10}}) == "<m8[10s]"
    assert type_of_v3("r24") == "|V3"
    for wrong in (
        {"name": "struct", "configuration": {}},
        {"name": "struct", "configuration": {"fields": [["a", "string"]]}},
        {"name": "fixed_length_utf32", "configuration": {"length_bytes": 3}},
    ):
        with pytest.raises(ValueError):
            type_of_v3(wrong)
