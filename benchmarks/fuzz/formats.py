"""Small objects of every format, with options to read each by, and what makes a source of what becomes of them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.fuzz.hdf5 import hdf5s
from benchmarks.fuzz.media import media
from benchmarks.fuzz.recordings import recordings
from support.folder_source import Folder
from support.formats import FORMATS
from support.media_archives import tar_of
from support.ranges import Ranges

__all__ = ["Example", "examples_of"]

Example = tuple[str, bytes, list[dict[str, Any]], Callable[[bytes], Any]]
MOST_BYTES = 16 << 10
LITDATA = ("plain", "chunk", "batch", "sample", "packed rows", "mixed", "tokens")
LINES = b"".join(json.dumps({"n": n, "t": "é" * n, "l": [n, {"a": None}]}).encode() + b"\n" for n in range(20))
TABLE = pa.table(
    {
        "n": range(20),
        "t": [f"r{n}" for n in range(20)],
        "d": pa.array([f"k{n % 3}" for n in range(20)]).dictionary_encode(),
        "l": [[n] * 2 for n in range(20)],
    }
)


def framed(data: bytes) -> bytes:
    half = len(data) // 2
    return b"".join(pa.Codec("zstd").compress(part, asbytes=True) for part in (data[:half], data[half:]))


def written(write: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def small_tar(members: dict[str, bytes]) -> bytes:
    """Return an archive without the zeros that fill its last record, but for those that end it."""
    return tar_of(members).rstrip(b"\0").ljust(512, b"\0") + bytes(1536)


def write_zip(file: io.BytesIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(5):
            archive.writestr(f"d/{number}.txt", "t" * number * 30, compress_type=8 * (number % 2))


def write_arrow(file: io.BytesIO, new: Callable[..., Any], packed: str | None) -> None:
    with new(file, TABLE.schema, options=pa.ipc.IpcWriteOptions(compression=packed)) as writer:
        writer.write_table(TABLE, max_chunksize=7)


def safetensors() -> bytes:
    header = json.dumps({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(16)


def litdata(name: str) -> list[Example]:
    """Return each object of a dataset of LitData, to be damaged beside the others."""
    golden = Path(__file__).parents[2] / "tests/unit/formats/golden/litdata.json"
    files = {key: base64.b64decode(text) for key, text in json.loads(golden.read_text())[name]["files"].items()}
    options = [{"block": 1}, {"memory": "1Mi", "pictures": "bytes"}]
    return [("litdata", files[key], options, beside(files, key)) for key in files]


def beside(files: dict[str, bytes], key: str) -> Callable[[bytes], Any]:
    return lambda data: Folder(files | {key: data})


def examples_of(kind: str) -> list[Example]:
    """Return objects of a format, with options to read each by, and what makes a source of it."""
    makers: dict[str, Callable[[], list[Example]]] = {
        "hdf5": hdf5s,
        "lance": lances,
        "litdata": lambda: [each for name in LITDATA for each in litdata(name)],
        "recordings": recordings,
        "zarr": zarrs,
    }
    if kind in makers:
        return makers[kind]()
    if kind in ("video", "audio", "dicom"):
        return [(*each, Ranges) for each in media() if each[0] == kind]
    more = [
        (kind, data, [options, {}], Ranges)
        for name, _, data, options in FORMATS.values()
        if name == kind and len(data) <= MOST_BYTES
    ]
    archives = [each for each in media() if each[0] == kind] if kind == "tar" else []
    return [(*each, Ranges) for each in [*single(), *archives] if each[0] == kind] + more


def lances() -> list[Example]:
    """Return objects of a dataset of Lance, each to be damaged beside the others."""
    golden = Path(__file__).parents[2] / "tests/unit/formats/golden/lance.json"
    files = {key: base64.b64decode(text) for key, text in json.loads(golden.read_text())["plain"].items()}
    return [("lance", files[key], [{}, {"columns": ["id"]}], beside(files, key)) for key in files]


def zarrs() -> list[Example]:
    """Return objects of small groups of Zarr, each to be damaged beside the others of its group."""
    import numcodecs
    import zarr

    def plain(group: Any) -> None:
        group.create_array("x", data=np.arange(20).reshape(5, 4), chunks=(3, 2))

    def texts(group: Any) -> None:
        group.create_array("t", shape=(6,), chunks=(4,), dtype=str)[:] = np.array(["é" * n for n in range(6)], object)

    def shards(group: Any) -> None:
        group.create_array("s", data=np.arange(10.0), chunks=(2,), shards=(4,))

    def packed(*packers: Any) -> Callable[[Any], None]:
        def make(group: Any) -> None:
            for number, packer in enumerate(packers):
                group.create_array(f"p{number}", shape=(4,), chunks=(4,), dtype="i8", compressors=packer)[:] = 7

        return make

    def filtered(group: Any) -> None:
        filters = [numcodecs.Delta("i8"), numcodecs.Shuffle(8), numcodecs.Fletcher32()]
        group.create_array("f", shape=(4,), chunks=(4,), dtype="i8", filters=filters)[:] = 7

    few = packed(numcodecs.Zlib(), numcodecs.LZ4())
    more = packed(numcodecs.BZ2(), numcodecs.LZMA(), numcodecs.Zstd())
    made = [(2, plain), (2, texts), (2, few), (2, more), (2, filtered), (3, plain), (3, texts), (3, shards)]
    options = [{"block": 1, "memory": "1Mi"}, {"by": "chunk", "memory": "1Mi"}]
    found = []
    for version, make in made:
        store: dict[str, Any] = {}
        make(zarr.open_group(zarr.storage.MemoryStore(store), mode="w", zarr_format=version))
        files = {key: value.to_bytes() for key, value in store.items()}
        found += [("zarr", files[key], options, beside(files, key)) for key in files if not key.endswith(".zattrs")]
    return found


def single() -> list[tuple[str, bytes, list[dict[str, Any]]]]:
    tar = small_tar({f"d/{number}.txt": b"x" * number * 50 for number in range(6)})
    array = written(lambda file: np.save(file, np.eye(3)))
    members = small_tar({"a.json": b'{"n": [1, 2]}', "a.cls": b"7", "a.txt": b"t", "a.npy": array, "b.cls": b"8"})
    rows = LINES.strip().replace(b"\n", b",\n")
    table = b"a,b\n" + b'1,"x,\n2"\n' * 20
    return [
        ("jsonl", LINES, [{}, {"block": 40, "group_by": "n"}, {"columns": ["t"]}]),
        ("jsonl", gzip.compress(LINES), [{"block": 100}]),
        ("jsonl", framed(LINES), [{"block": 100}]),
        ("json", b"[" + rows + b"]", [{}, {"block": 30}]),
        ("csv", table, [{}, {"block": 20, "numbers": ["a"]}]),
        ("text", LINES, [{}, {"by": "document"}, {"by": "file"}, {"blank": True, "block": 9}]),
        ("text", gzip.compress(LINES), [{"by": "file"}]),
        ("zip", written(write_zip), [{}, {"by": "member"}, {"decoded": True}]),
        ("arrow", written(lambda file: write_arrow(file, pa.ipc.new_file, None)), [{}, {"columns": ["n", "l"]}]),
        ("arrow", written(lambda file: write_arrow(file, pa.ipc.new_stream, "lz4")), [{}, {"columns": ["d"]}]),
        ("arrow", written(lambda file: write_arrow(file, pa.ipc.new_file, "zstd")), [{}]),
        ("tar", tar, [{}]),
        ("tar", members, [{"decoded": True}]),
        ("tar", gzip.compress(tar), [{}]),
        ("tar", framed(tar), [{}]),
        ("npy", written(lambda file: np.save(file, np.eye(4))), [{}, {"by": "row"}]),
        ("npz", written(lambda file: np.savez_compressed(file, a=np.eye(3), b=np.arange(4))), [{}]),
        ("safetensors", safetensors(), [{}, {"by": "row"}]),
    ]
