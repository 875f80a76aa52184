"""Feeds formats what was damaged by chance: any error but Penstock's own, and what takes long, is told and kept.

    python benchmarks/fuzz/formats.py --seconds 600 --seed 1 --format arrow

It ends with 1 where anything was found. With no options it goes over all formats for a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import io
import json
import random
import resource
import sys
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from media import media
from recordings import recordings

from penstock.errors import PenstockError
from penstock.formats.hdf5.readers import kept_readers
from penstock.formats.registry import open_format
from support.folder_source import Folder
from support.ranges import InLoop, Ranges

SLOW_SECONDS = 5
MOST_MEMORY_BYTES = 6 << 30
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


def litdata(name: str) -> list[tuple[str, bytes, list[dict[str, Any]], Callable[[bytes], Any]]]:
    """Return each object of a dataset of LitData, to be damaged beside the others."""
    golden = Path(__file__).parents[2] / "tests/unit/formats/golden/litdata.json"
    files = {key: base64.b64decode(text) for key, text in json.loads(golden.read_text())[name]["files"].items()}
    options = [{"block": 1}, {"memory": "1Mi", "pictures": "bytes"}]
    return [("litdata", files[key], options, beside(files, key)) for key in files]


def beside(files: dict[str, bytes], key: str) -> Callable[[bytes], Any]:
    return lambda data: Folder(files | {key: data})


def examples() -> list[tuple[str, bytes, list[dict[str, Any]], Callable[[bytes], Any]]]:
    """Return formats with an object of each, options to read it by, and what makes a source of it."""
    names = ("plain", "chunk", "batch", "sample", "packed rows", "mixed", "tokens")
    many = [each for name in names for each in litdata(name)]
    return [(*each, Ranges) for each in [*single(), *media()]] + many + zarrs() + hdf5s() + recordings()


def hdf5s() -> list[tuple[str, bytes, list[dict[str, Any]], Callable[[bytes], Any]]]:
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
        found.append(("hdf5", file.getvalue(), options, InLoop))
    return found


def zarrs() -> list[tuple[str, bytes, list[dict[str, Any]], Callable[[bytes], Any]]]:
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


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return bytes that some were changed, added or taken away of."""
    made = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4])):
        place, how = chance.randrange(len(made) or 1), chance.randrange(6)
        if how == 0:
            made[place : place + 1] = chance.randbytes(1)
        elif how == 1:
            made[place:place] = chance.randbytes(chance.randrange(1, 9))
        elif how == 2:
            del made[place : place + chance.randrange(1, 40)]
        elif how == 3:
            made[place : place + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\1\0\0\0"])
        elif how == 4:
            number = chance.choice([2**64 - 1, 0, 2**62, 2**31])
            made[place : place + 8] = number.to_bytes(8, "little")
        else:
            del made[place + 1 :]
    return bytes(made) or b"x"


async def kept() -> Any:
    """Keep the processes that read HDF5, for all inputs."""
    readers = kept_readers()
    await readers.__aenter__()
    return readers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", default="", help="of one format alone")
    parser.add_argument("--keep", type=Path, default=Path("fuzz"), help="folder for what was found")
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    chance, found, told = random.Random(asked.seed), 0, Counter[str]()
    chosen = [example for example in examples() if asked.format in ("", example[0])]
    InLoop.loop = asyncio.new_event_loop()
    held = InLoop.loop.run_until_complete(kept())
    end = time.monotonic() + asked.seconds
    while time.monotonic() < end:
        kind, data, options, source = chance.choice(chosen)
        one, how = damaged(data, chance), chance.choice(options)
        begun, wrong = time.monotonic(), ""
        try:
            source(one).values(open_format(kind, how))
        except PenstockError:
            pass
        except BaseException as error:
            wrong = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - begun
        if seconds > SLOW_SECONDS:
            wrong = wrong or f"it took {seconds:.1f} s"
        told[kind] += 1
        if wrong:
            asked.keep.mkdir(exist_ok=True)
            path = asked.keep / f"{kind}-{asked.seed}-{told.total()}"
            path.write_bytes(one)
            print(f"{path} with {how}: {wrong}")
            found += 1
    InLoop.loop.run_until_complete(held.__aexit__(None, None, None))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{told.total()} inputs ({dict(told)}), {found} found, at most {peak} MiB")
    return int(found > 0)


if __name__ == "__main__":
    raise SystemExit(main())
