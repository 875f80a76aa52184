"""Small objects of every format, with options to read each by, and what makes a source of what becomes of them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.fuzz.media import media
from benchmarks.fuzz.recordings import recordings
from support.folder_source import Folder
from support.formats import FORMATS
from support.ranges import Ranges

__all__ = ["Example", "examples_of"]

Example = tuple[str, bytes, list[dict[str, Any]], Callable[[bytes], Any]]
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


def write_tar(file: io.BytesIO) -> None:
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(6):
            member = tarfile.TarInfo(f"d/{number}.txt")
            member.size = number * 50
            archive.addfile(member, io.BytesIO(b"x" * member.size))


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
    more = [(kind, data, [options, {}], Ranges) for name, _, data, options in FORMATS.values() if name == kind]
    archives = [each for each in media() if each[0] == kind] if kind == "tar" else []
    return [(*each, Ranges) for each in [*single(), *archives] if each[0] == kind] + more


def lances() -> list[Example]:
    """Return objects of a dataset of Lance, each to be damaged beside the others."""
    golden = Path(__file__).parents[2] / "tests/unit/formats/golden/lance.json"
    files = {key: base64.b64decode(text) for key, text in json.loads(golden.read_text())["plain"].items()}
    return [("lance", files[key], [{}, {"columns": ["id"]}], beside(files, key)) for key in files]


def hdf5s() -> list[Example]:
    """Return files of HDF5."""
    import h5py

    found = []
    for version in ("earliest", "latest"):
        file = io.BytesIO()
        with h5py.File(file, "w", libver=version) as made:
            made.create_dataset(
                "g/x", data=np.arange(40).reshape(10, 4), chunks=(3, 2), compression="gzip", shuffle=True
            )
            made.create_dataset("z", data=np.arange(10.0), chunks=(4,), compression="lzf", fletcher32=True)
            made.create_dataset("c", data=np.arange(10))
            made.create_dataset("t", data=["é" * n for n in range(10)])
        options = [{"block": 1, "columns": ["g/x", "z", "c"]}, {"block": 1, "by": "file"}, {"memory": "1Mi"}]
        found.append(("hdf5", file.getvalue(), options, Ranges))
    return found


def zarrs() -> list[Example]:
    """Return objects of groups of Zarr, each to be damaged beside the others."""
    import numcodecs
    import zarr

    found = []
    for version in (2, 3):
        store: dict[str, Any] = {}
        group = zarr.open_group(zarr.storage.MemoryStore(store), mode="w", zarr_format=version)
        group.create_array("x", data=np.arange(40).reshape(10, 4), chunks=(3, 2))
        group.create_array("t", shape=(10,), chunks=(4,), dtype=str)[:] = np.array(["é" * n for n in range(10)], object)
        if version == 3:
            group.create_array("s", data=np.arange(10.0), chunks=(2,), shards=(4,))
        else:
            packers = numcodecs.Zlib(), numcodecs.LZ4(), numcodecs.BZ2(), numcodecs.LZMA(), numcodecs.Zstd()
            for number, packer in enumerate(packers):
                group.create_array(f"p{number}", shape=(10,), chunks=(5,), dtype="i8", compressors=packer)[:] = 7
            filters = [numcodecs.Delta("i8"), numcodecs.Shuffle(8), numcodecs.Fletcher32()]
            group.create_array("f", shape=(10,), chunks=(5,), dtype="i8", filters=filters)[:] = 7
        files = {key: value.to_bytes() for key, value in store.items()}
        options = [{"block": 1, "memory": "1Mi"}, {"by": "chunk", "columns": ["x"], "memory": "1Mi"}]
        found += [("zarr", files[key], options, beside(files, key)) for key in files if not key.endswith(".zattrs")]
    return found


def single() -> list[tuple[str, bytes, list[dict[str, Any]]]]:
    tar = written(write_tar)
    array = "".join(chr(byte) for byte in LINES.strip()).replace("\n", ",\n").encode("latin-1")
    table = b"a,b\n" + b'1,"x,\n2"\n' * 20
    return [
        ("jsonl", LINES, [{}, {"block": 40, "group_by": "n"}, {"columns": ["t"]}]),
        ("jsonl", gzip.compress(LINES), [{"block": 100}]),
        ("jsonl", framed(LINES), [{"block": 100}]),
        ("json", b"[" + array + b"]", [{}, {"block": 30}]),
        ("csv", table, [{}, {"block": 20, "numbers": ["a"]}]),
        ("text", LINES, [{}, {"by": "document"}, {"by": "file"}, {"blank": True, "block": 9}]),
        ("text", gzip.compress(LINES), [{"by": "file"}]),
        ("zip", written(write_zip), [{}, {"by": "member"}, {"decoded": True}]),
        ("arrow", written(lambda file: write_arrow(file, pa.ipc.new_file, None)), [{}, {"columns": ["n", "l"]}]),
        ("arrow", written(lambda file: write_arrow(file, pa.ipc.new_stream, "lz4")), [{}, {"columns": ["d"]}]),
        ("arrow", written(lambda file: write_arrow(file, pa.ipc.new_file, "zstd")), [{}]),
        ("tar", tar, [{}]),
        ("tar", gzip.compress(tar), [{}]),
        ("tar", framed(tar), [{}]),
        ("npy", written(lambda file: np.save(file, np.eye(4))), [{}, {"by": "row"}]),
        ("npz", written(lambda file: np.savez_compressed(file, a=np.eye(3), b=np.arange(4))), [{}]),
        ("safetensors", safetensors(), [{}, {"by": "row"}]),
    ]
