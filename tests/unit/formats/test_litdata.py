"""Chunks of LitData give what the real LitData gives of them; what is damaged, pickled or encrypted is named."""

from __future__ import annotations

import base64
import json
import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import penstock
from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError, TruncatedObject
from penstock.formats.litdata.values import leaf_of
from penstock.formats.registry import open_format
from support.folder_source import Folder

# Made by LitData 0.2.76, see tests/support/litdata_golden.py.
GOLDEN = Path(__file__).parent / "golden" / "litdata.json"
NAMES = sorted(json.loads(GOLDEN.read_text()))


@lru_cache
def golden(name: str) -> tuple[dict[str, bytes], list[Any]]:
    made = json.loads(GOLDEN.read_text())[name]
    return {key: base64.b64decode(text) for key, text in made["files"].items()}, [meant(v) for v in made["values"]]


def meant(told: Any) -> Any:
    if not isinstance(told, dict):
        return told
    ((kind, value),) = told.items()
    if kind == "array":
        return np.frombuffer(base64.b64decode(value[2]), value[0]).reshape(value[1])
    if kind == "bytes":
        return base64.b64decode(value)
    if kind == "dict":
        return {name: meant(each) for name, each in value}
    parts = [meant(each) for each in value]
    return tuple(parts) if kind == "tuple" else parts


def same(found: Any, wanted: Any, *, exact: bool) -> bool:
    """Compare values; rows of Arrow are numpy's own numbers and arrays where they are lists of numbers."""
    if isinstance(wanted, np.ndarray):
        return found.dtype == wanted.dtype and found.shape == wanted.shape and found.tobytes() == wanted.tobytes()
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and all(same(found[name], wanted[name], exact=exact) for name in wanted)
    if isinstance(wanted, list | tuple):
        found = found.tolist() if isinstance(found, np.ndarray) and not exact else found
        return (
            type(found) is type(wanted)
            and len(found) == len(wanted)
            and all(same(one, other, exact=exact) for one, other in zip(found, wanted, strict=True))
        )
    return bool(found == wanted) and (not exact or type(found) is type(wanted))


def files_of(name: str) -> dict[str, bytes]:
    return dict(golden(name)[0])


def kind(**options: Any) -> Any:
    return pickle.loads(pickle.dumps(open_format("litdata", options)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("block", [1, "4Mi"])
def test_samples_are_those_that_litdata_reads(name: str, block: Any) -> None:
    files, wanted = golden(name)
    tokens = {"tokens": 4} if name == "tokens" else {}
    found = Folder(files).values(kind(block=block, **tokens))
    assert len(found) == len(wanted)
    exact = "rows" not in name
    differing = [
        n for n, (one, other) in enumerate(zip(found, wanted, strict=True)) if not same(one, other, exact=exact)
    ]
    assert differing == []


def test_some_samples_of_an_extent_are_those_asked_for() -> None:
    for name in NAMES:
        files, wanted = golden(name)
        source, made = Folder(files), kind(**({"tokens": 4} if name == "tokens" else {}))
        extent = source.index(made)[0][0]
        (last,) = made.decode(source.joined(extent), extent, extent.codec, np.array([extent.num_samples - 1]))
        assert same(last, wanted[extent.num_samples - 1], exact="rows" not in name)


def test_tokens_as_they_were_written_and_in_blocks() -> None:
    files, _ = golden("tokens")
    assert [len(each) for each in Folder(files).values(kind())] == [5] * 6
    assert [each.tolist() for each in Folder(files).values(kind(tokens=10))][:2] == [
        [0, 1, 2, 3, 4, 3, 4, 5, 6, 7],
        [6, 7, 8, 9, 10, 9, 10, 11, 12, 13],
    ]
    extents, skipped = Folder(files).index(kind(tokens=1000))
    assert (extents, {each.reason for each in skipped}) == ([], {"has fewer than 1000 tokens"})


def test_only_what_stands_before_samples_is_read_and_nothing_of_whole_packed_chunks() -> None:
    files = files_of("numbers")
    samples = 200_000
    table = 4 + 4 * (samples + 1)
    offsets = np.arange(samples + 1, dtype="<u4") * 12 + table
    body = np.zeros((samples, 3), "<u4")
    body[:, 0] = 8
    body[:, 1] = np.arange(samples)
    chunk = np.array([samples], "<u4").tobytes() + offsets.tobytes() + body.tobytes()
    told = json.loads(files["index.json"])
    told["chunks"] = [{"chunk_bytes": len(chunk), "chunk_size": samples, "dim": None, "filename": "chunk-0-0.bin"}]
    source = Folder({"index.json": json.dumps(told).encode(), "chunk-0-0.bin": chunk})
    extents, _ = source.index(kind(block="256Ki"))
    assert source.read_bytes == table
    assert sum(extent.num_samples for extent in extents) == samples
    assert max(extent.size_bytes for extent in extents) <= (256 << 10) + 12
    packed = Folder(files_of("chunk"))
    assert len(packed.index(kind())[0]) == 2
    assert packed.read_bytes == 0


def test_a_folder_through_the_library(tmp_path: Path) -> None:
    for key, data in files_of("numbers").items():
        path = tmp_path / "data" / "train" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    dataset = penstock.of_format("litdata", tmp_path / "data", match="*.bin")
    with dataset.loader(2, workers=0, epochs=1) as loader:
        found = sorted(int(number) for batch in loader for number in batch)
    assert found == [0, 1, 2, 3, 4, 5]


def changed(name: str, **config: Any) -> dict[str, bytes]:
    files = files_of(name)
    told = json.loads(files["index.json"])
    told["config"] |= config
    return files | {"index.json": json.dumps(told).encode()}


REFUSED: list[tuple[dict[str, bytes], type[PenstockError], str]] = [
    (changed("numbers", encryption={"algorithm": "fernet", "level": "chunk"}), DataError, "encrypted chunks"),
    (changed("numbers", data_format=["pickle"]), DataError, r"each sample of index\.json \(pickle\) is pickled"),
    (changed("plain", data_format=["graph"] * 13), DataError, r"the leaf 'i' of index\.json \(graph\) is pickled"),
    (changed("numbers", data_format=["what"]), DataError, "written as 'what', which is not known"),
    (changed("numbers", compression="lz9"), DataError, "packed by 'lz9'"),
    (changed("numbers", item_loader="ParquetLoader"), DataError, "the format parquet reads"),
    (changed("numbers", item_loader="TemporalArrayLoader"), DataError, "TemporalArrayLoader"),
    (changed("numbers", item_loader="Mine"), DataError, "the loader 'Mine'"),
    (changed("numbers", format="mds"), DataError, "the format mds reads"),
    (changed("numbers", data_format=["int", "int"]), HeaderMismatch, "tells of 2 leaves, and of a tree of 1"),
    (changed("numbers", data_spec="[1, {}]"), HeaderMismatch, "has the data_spec"),
    (
        changed("numbers", data_spec='[1, {"type": "os.system", "context": "1", "children_spec": []}]'),
        HeaderMismatch,
        "os.system",
    ),
    (files_of("numbers") | {"index.json": b"[]"}, HeaderMismatch, "is no index of LitData"),
    ({"chunk-0-0.bin": files_of("numbers")["chunk-0-0.bin"]}, HeaderMismatch, "there is no index.json beside it"),
    ({"index.json": files_of("numbers")["index.json"]}, HeaderMismatch, r"names chunk-0-0\.bin, which .* \(2 in all\)"),
    (
        files_of("numbers") | {"chunk-0-1.bin": files_of("numbers")["chunk-0-0.bin"]},
        HeaderMismatch,
        "it has 4 items, where index.json tells of 2",
    ),
    (
        files_of("numbers") | {"chunk-0-1.bin": files_of("numbers")["chunk-0-1.bin"][:-3]},
        TruncatedObject,
        "ends after 37 bytes",
    ),
    (
        files_of("batch") | {"chunk-0-1.bin": files_of("batch")["chunk-0-1.bin"][:-3]},
        TruncatedObject,
        "within its frame 0",
    ),
    (
        files_of("batch") | {"chunk-0-1.bin": files_of("numbers")["chunk-0-1.bin"]},
        HeaderMismatch,
        "does not begin as a chunk of frames",
    ),
    (
        files_of("chunk") | {"chunk-0-1.zstd.bin": files_of("chunk")["chunk-0-1.zstd.bin"][:-3]},
        DataError,
        "no whole Zstandard",
    ),
    (
        files_of("rows") | {"chunk-0-1.bin": files_of("rows")["chunk-0-1.bin"][:-3]},
        HeaderMismatch,
        "does not end with rows of Arrow",
    ),
    (files_of("numbers") | {"chunk-0-1.bin": b"\xff" * 40}, HeaderMismatch, "byte 0 tells of 4294967295 items"),
]


@pytest.mark.parametrize(("files", "error", "what"), REFUSED)
def test_what_is_not_read_is_named(files: dict[str, bytes], error: type[PenstockError], what: str) -> None:
    with pytest.raises(error, match=what) as raised:
        Folder(files).values(kind())
    assert "\n" not in str(raised.value)


def test_what_lies_unnamed_is_left_out() -> None:
    files = files_of("numbers")
    more = {"chunk-9-9.bin": files["chunk-0-0.bin"], "notes.txt": b"x"}
    extents, skipped = Folder(files | more).index(kind())
    assert len(extents) == 2
    assert {each.object: each.reason for each in skipped} == {
        "chunk-9-9.bin": "index.json does not name it",
        "notes.txt": "is no chunk (.bin)",
    }


def test_options_and_bombs() -> None:
    for options in ({"pictures": "x"}, {"tokens": 0}, {"tokens": "3"}, {"block": "1Gi"}, {"memory": "x"}):
        with pytest.raises(ConfigError):
            kind(**options)
    with pytest.raises(ConfigError, match=r"tokens=4, where index\.json tells of no tokens"):
        Folder(files_of("numbers")).values(kind(tokens=4))
    for name in ("chunk", "batch"):
        with pytest.raises(DataError, match="more than memory="):
            Folder(files_of(name)).values(kind(memory=100))
    bomb = pa.Codec("zstd").compress(bytes(1 << 20), asbytes=True)
    files = files_of("sample")
    head = np.array([1, 12, 12 + len(bomb)], "<u4").tobytes()
    told = json.loads(files["index.json"])
    told["chunks"] = [{"chunk_bytes": 9, "chunk_size": 1, "dim": None, "filename": "chunk-0-0.bin"}]
    with pytest.raises(DataError, match="unpacks to more than 1000 bytes"):
        Folder({"index.json": json.dumps(told).encode(), "chunk-0-0.bin": head + bomb}).values(kind(memory=1000))
    told["config"]["compression_level"] = None
    told["chunks"][0] |= {"filename": "chunk-0-0.zstd.bin"}
    with pytest.raises(DataError, match="unpacks to more than 9 bytes"):
        Folder({"index.json": json.dumps(told).encode(), "chunk-0-0.zstd.bin": bomb}).values(kind())


def test_leaves_of_their_own() -> None:
    half = (np.arange(3, dtype=np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    flat = leaf_of("no_header_tensor:10", is_raw=False)(half)
    assert (flat.dtype, flat.tolist()) == (np.float32, [0, 1, 2])
    assert leaf_of("file", is_raw=False)(b"x") == leaf_of("video:mp4", is_raw=False)(b"x") == b"x"
    assert leaf_of("json", is_raw=False)(b'{"a": [1]}') == {"a": [1]}
    wrong: list[tuple[str, bytes]] = [
        ("int", b"1234"),
        ("float", b""),
        ("bool", b"12"),
        ("numpy", b"1"),
        ("numpy", b"\1" * 16),
        ("tensor", b"\0" * 9),
        ("tensor", (0).to_bytes(4) + (1).to_bytes(4) + (9).to_bytes(4)),
        ("no_header_numpy:10", b"12345"),
        ("json", b"\1\xff\xff\xff\xff"),
        ("json", b"\6\1\0\0\0\0\0\0\0"),
        ("json", b"\5\1\0\0\0"),
        ("json", b"\x1f"),
        ("json", b"[" * 100_000),
        ("json", b"\7\xff\0\0\0a"),
        ("json", b"\x0b\x0b"),
        ("pil", b"1234"),
        ("jpeg", b"x"),
    ]
    for name, data in wrong:
        with pytest.raises(ValueError):
            leaf_of(name, is_raw=False)(data)
    for name in ("no_header_numpy:14", "no_header_numpy:x", "no_header_tensor:99", "str:1"):
        with pytest.raises(ValueError, match="not known"):
            leaf_of(name, is_raw=False)
