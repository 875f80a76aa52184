"""Rows of HDF5 are those that h5py reads, of their own chunks alone; what is not read, or damaged, is named."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import signal
import zlib
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import penstock
from benchmarks.fuzz.hdf5 import Saying
from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError
from penstock.formats.hdf5 import readers
from penstock.formats.hdf5.readers import kept_readers
from penstock.formats.hdf5.reading import Faulty, Job, Wanted, encode_message
from penstock.formats.registry import open_format
from support.ranges import InLoop
from support.ranges import Ranges as InLoopOfItsOwn

Make = Callable[[Any], Any]


class Ranges(InLoop):
    """In a loop of this module's, so that no file takes processes of its own."""


@pytest.fixture(scope="module", autouse=True)
def processes_are_kept() -> Iterator[None]:
    """Set up anew whenever a worker comes back to this module: another may have taken some of its tests."""

    async def kept() -> Any:
        made = kept_readers()
        await made.__aenter__()
        return made

    Ranges.loop = asyncio.new_event_loop()
    held = Ranges.loop.run_until_complete(kept())
    yield
    Ranges.loop.run_until_complete(held.__aexit__(None, None, None))
    Ranges.loop.close()


def written(make: Make, **options: Any) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as made:
        make(made)
    return file.getvalue()


def kind(**options: Any) -> Any:
    return pickle.loads(pickle.dumps(open_format("hdf5", options)))


def same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return one.shape == other.shape and one.dtype == other.dtype.newbyteorder("=") and one.tolist() == other.tolist()


def numbers(dtype: Any) -> Any:
    made = np.arange(110).reshape(11, 10) * 7 % 100
    kinds = np.dtype(dtype)
    if kinds.names:
        whole = np.zeros(made.shape, kinds)
        for name in kinds.names:
            whole[name] = made
        return whole
    return (made % 2 if kinds.kind == "b" else made).astype(kinds)


WAYS: list[dict[str, Any]] = [
    {},
    {"chunks": (3, 4)},
    {"chunks": (3, 4), "compression": "gzip"},
    {"chunks": (3, 10), "compression": "gzip", "shuffle": True},
    {"chunks": (3, 4), "compression": "gzip", "shuffle": True, "fletcher32": True},
    {"chunks": (4, 3), "compression": "lzf"},
    {"chunks": (11, 10), "fletcher32": True},
]
TYPES: list[Any] = ["<f4", ">f8", "<i2", ">u4", "?", "<f2", "S5", "<c8", [("a", "<f4"), ("b", ">i2")]]


@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize("options", WAYS)
def test_rows_are_those_of_h5py(options: dict[str, Any], version: str) -> None:
    for dtype in TYPES:
        whole = numbers(dtype)
        data = written(lambda file, d=whole: file.create_dataset("x", data=d, **options), libver=version)
        for block in (1, 100, "4Mi"):
            found = Ranges(data).values(kind(block=block))
            assert len(found) == 11
            assert all(same(row["x"], whole[number]) for number, row in enumerate(found)), (dtype, block)


def test_scale_and_offset_user_blocks_and_what_was_never_written() -> None:
    def make(file: Any) -> None:
        file.create_dataset("so", data=np.arange(30).reshape(10, 3) % 9, chunks=(4, 2), scaleoffset=4)
        sparse = file.create_dataset("sp", shape=(10, 4), chunks=(2, 2), dtype="f4", fillvalue=5, compression="gzip")
        sparse[3:5, 1] = 2
        masked = file.create_dataset("m", shape=(10,), chunks=(5,), dtype="u1", compression="gzip", shuffle=True)
        masked.id.write_direct_chunk((0,), bytes(range(5)), 3)
        masked.id.write_direct_chunk((5,), zlib.compress(bytes(range(5))), 1)
        file.create_dataset("never", shape=(10,), dtype="f8", fillvalue=3)

    data = written(make, userblock_size=512)
    with h5py.File(io.BytesIO(data)) as file:
        whole = {name: file[name][()] for name in file if name != "m"} | {"m": np.array([*range(5)] * 2, np.uint8)}
    for block in (1, "4Mi"):
        rows = Ranges(data).values(kind(block=block))
        assert all(same(row[name], whole[name][number]) for number, row in enumerate(rows) for name in whole)


def test_text_lists_and_groups_and_axes() -> None:
    def make(file: Any) -> None:
        file.create_dataset("train/x", data=np.arange(12.0).reshape(6, 2), chunks=(2, 2))
        file.create_dataset("train/text", data=[f"é{n}" for n in range(6)], dtype=h5py.string_dtype())
        file.create_dataset("fixed", data=np.array([b"ab", "é".encode()] * 3, h5py.string_dtype(length=5)), chunks=(2,))
        ragged = file.create_dataset("ragged", (6,), dtype=h5py.vlen_dtype(np.int32))
        for number in range(6):
            ragged[number] = np.arange(number)
        packed = {"chunks": (4,), "compression": "gzip", "shuffle": True, "dtype": h5py.string_dtype("ascii")}
        file.create_dataset("packed", data=["a" * n for n in range(6)], **packed)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((6,))
        inline = h5py.h5d.create(file.id, b"inline", h5py.h5t.STD_I32BE, space, plist)
        h5py.Dataset(inline)[...] = np.arange(6)
        file.create_dataset("lat", data=np.arange(3.0)).make_scale("lat")
        file["again"] = h5py.SoftLink("/train/x")

    data = written(make, userblock_size=1024)
    rows = Ranges(data).values(kind(block=1))
    assert [row["packed"] for row in rows] == ["a" * n for n in range(6)]
    assert [row["inline"] for row in Ranges(data).values(kind(block=1, columns="inline"))] == list(range(6))
    assert [row["train/text"] for row in rows] == [f"é{n}" for n in range(6)]
    assert [row["fixed"] for row in rows][:2] == ["ab", "é"]
    assert rows[4]["ragged"].tolist() == [0, 1, 2, 3]
    assert sorted(rows[0]) == ["fixed", "inline", "packed", "ragged", "train/text", "train/x"]
    fixed = Ranges(data).values(kind(block=1, columns=["fixed", "/train/x"]))
    assert (fixed[5]["fixed"], fixed[5]["train/x"].tolist()) == ("é", [10, 11])
    with pytest.raises(ConfigError, match=r"'lat' has 3 rows, 'train/x' 6: choose datasets of as many rows"):
        Ranges(data).values(kind(columns=["lat", "train/x"]))
    with pytest.raises(ConfigError, match=r"has no dataset 'train/y': .*its datasets are: fixed, inline, lat"):
        Ranges(data).values(kind(columns="train/y"))


def test_whole_files_are_samples() -> None:
    def make(file: Any) -> None:
        file["x"] = np.arange(5)
        file["y"] = np.arange(6.0).reshape(2, 3)
        file["one"] = 4

    data = written(make)
    for block in (1, "4Mi"):
        (found,) = Ranges(data).values(kind(by="file", block=block))
        assert {name: value.tolist() for name, value in found.items()} == {
            "one": 4, "x": [0, 1, 2, 3, 4], "y": [[0, 1, 2], [3, 4, 5]]
        }  # fmt: skip
        (some,) = Ranges(data).values(kind(by="file", block=block, columns=["y", "x"]))
        assert list(some) == ["y", "x"]
    skipped = Ranges(data).index(kind(columns=["one", "x"]))[1]
    assert [(each.object, each.reason) for each in skipped] == [("one/one", "is one value, without rows")]


def test_of_large_files_what_tells_where_chunks_lie_is_read_and_then_those() -> None:
    rng = np.random.default_rng(1)
    whole = rng.integers(0, 1 << 62, (2000, 400))
    data = written(lambda file: file.create_dataset("x", data=whole, chunks=(20, 400)))
    source = Ranges(data)
    extents, _ = source.index(kind(block=1))
    assert len(extents) == 100
    assert source.read_bytes < len(data) / 10
    assert len(source.reads) <= 6
    assert {extent.size_bytes for extent in extents} == {20 * 400 * 8}
    made = kind()
    (row,) = made.decode(source.joined(extents[7]), extents[7], extents[7].codec, np.array([3]))
    assert same(row["x"], whole[143])


def test_what_lies_scattered_is_merged() -> None:
    """Of 300 datasets the headers lie among their numbers: a request each at most, not one for each part of it."""

    def make(file: Any) -> None:
        for number in range(300):
            file.create_dataset(f"{number:03}", data=np.zeros((100, 50)), chunks=(50, 50))

    data = written(make)
    source = Ranges(data)
    extents, _ = source.index(kind(block=1))
    assert len(extents) == 2
    assert len(source.reads) <= 310
    assert source.read_bytes <= len(data) * 1.6


def test_a_folder_through_the_library(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(2):
        part = np.arange(10) + 10 * number
        (tmp_path / "data" / f"{number}.h5").write_bytes(written(lambda file, d=part: file.create_dataset("x", data=d)))
    with penstock.of_format("hdf5", tmp_path / "data", match="*.h5").loader(4, workers=0, epochs=1) as loader:
        assert sorted(int(number) for batch in loader for number in batch["x"]) == list(range(20))


def linked(file: Any) -> None:
    file["x"] = np.arange(4)
    file["away"] = h5py.ExternalLink("other.h5", "/x")


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="i4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(4,))
    file.create_virtual_dataset("x", layout)


def referring(file: Any) -> None:
    file["y"] = np.arange(3)
    file.create_dataset("x", data=np.array([file["y"].ref] * 3, dtype=h5py.ref_dtype))


def elsewhere(file: Any) -> None:
    file.create_dataset("x", shape=(4,), dtype="i4", external=[("other.bin", 0, 16)])


def looping(file: Any) -> None:
    file.create_group("a")["again"] = file["/"]
    file["x"] = np.arange(3)


def bomb(file: Any) -> None:
    made = file.create_dataset("x", shape=(8,), chunks=(8,), dtype="u1", compression="gzip")
    made.id.write_direct_chunk((0,), zlib.compress(bytes(1 << 22)))


GOOD = written(lambda file: file.create_dataset("x", data=np.arange(4000), chunks=(100,), compression="gzip"))
REFUSED: list[tuple[bytes, type[PenstockError], str]] = [
    (written(linked), DataError, "'away' in one is a link to another file"),
    (written(virtual), DataError, "'x' in one is virtual"),
    (written(referring), DataError, "'x' in one is of references"),
    (written(elsewhere), DataError, "'x' in one lies in other files"),
    (b"no hdf5" * 100, HeaderMismatch, "does not begin as HDF5 does"),
    (b"", HeaderMismatch, "does not begin as HDF5 does"),
    (GOOD[: len(GOOD) // 2], HeaderMismatch, "cannot be read as HDF5"),
    (GOOD[:100], HeaderMismatch, "cannot be read as HDF5"),
]


@pytest.mark.parametrize(("data", "error", "what"), REFUSED)
@pytest.mark.parametrize("block", [1, "4Mi"])
def test_what_is_not_read_is_named(data: bytes, error: type[PenstockError], what: str, block: Any) -> None:
    with pytest.raises(error, match=what) as raised:
        Ranges(data).values(kind(block=block))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("block", [1, "4Mi"])
def test_bombs_damage_loops_and_memory(block: Any) -> None:
    with pytest.raises(DataError, match="unpacks to more than"):
        Ranges(written(bomb)).values(kind(block=block))
    assert [row["x"] for row in Ranges(written(looping)).values(kind(block=block))] == [0, 1, 2]
    text = written(lambda file: file.create_dataset("x", data=["a" * 100] * 9, dtype=h5py.string_dtype()))
    for wrong in (text.replace(b"GCOL", b"NONE"), text.replace(b"d\0\0\0\0", b"\xff\xff\0\0\0")):
        with pytest.raises(DataError, match=r"cannot be read: (no heap|an object)"):
            Ranges(wrong).values(kind(block=block))
    with pytest.raises(DataError, match="more than memory="):
        Ranges(GOOD).values(kind(block=block, memory=100))
    source = Ranges(GOOD)
    extents, _ = source.index(kind(block=block))
    for wrong in (b"", source.joined(extents[0])[:-200], bytes(extents[0].size_bytes)):
        with pytest.raises(DataError, match="cannot be read"):
            list(kind().decode(wrong, extents[0], extents[0].codec, np.arange(3)))


def test_a_file_that_ends_libhdf5_is_told_and_others_are_read() -> None:
    class Ending(Ranges):
        async def get_range(self, info: Any, offset: int, length_bytes: int) -> memoryview:
            for each in readers_of_this():
                os.kill(each, signal.SIGSEGV)
            return await super().get_range(info, offset, length_bytes)

    with pytest.raises(HeaderMismatch, match="one cannot be read as HDF5: libhdf5 ended by signal 11 on it"):
        Ending(GOOD).values(kind())
    assert len(Ranges(GOOD).values(kind())) == 4000


@pytest.mark.parametrize(
    "told",
    [
        b"\x00\x00\x00\x00",
        encode_message(b"\xc1"),
        encode_message(b"\xa1\xff"),
        encode_message(Wanted(0, 1 << 40)),
        encode_message(Wanted(-5, 5)),
        encode_message(Faulty("KeyError", "", "")),
        encode_message(Job("one", 5, None)),
        encode_message(b"\x81\xa4type\xa5Found"),
    ],
)
def test_nonsense_of_the_process_that_reads_is_refused(told: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start() -> Saying:
        return Saying(told)

    monkeypatch.setattr(readers, "_start", start)
    with pytest.raises(HeaderMismatch, match="one cannot be read as HDF5: libhdf5 told nonsense of it"):
        InLoopOfItsOwn(GOOD).values(kind())


def test_a_process_that_tells_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        started.append(await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE))
        os.kill(started[0].pid, signal.SIGSTOP)
        return started[0]

    monkeypatch.setattr(readers, "_start", start)
    monkeypatch.setattr(readers, "_SILENT_SECONDS", 0.1)
    with pytest.raises(HeaderMismatch, match=r"libhdf5 told nothing of it for 0\.1 s"):
        InLoopOfItsOwn(GOOD).values(kind())
    assert started[0].returncode == -signal.SIGKILL


def readers_of_this() -> list[int]:
    """Return the processes that read, of this one."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            status = (each / "stat").read_text().rpartition(")")[2].split()
            is_reader = b"penstock.formats.hdf5.reading" in (each / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if each.name.isdigit() and int(status[1]) == os.getpid() and is_reader:
            found.append(int(each.name))
    return found


def test_options() -> None:
    for options in ({"by": "x"}, {"columns": []}, {"block": "1Gi"}, {"memory": 0}):
        with pytest.raises(ConfigError):
            kind(**options)
