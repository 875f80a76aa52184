"""What HDF5 is fed with: files, and what a process that read one tells of it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.fuzz.aside import loop_of_one_thread
from support.ranges import Ranges

__all__ = ["Saying", "hdf5s", "messages"]

Example = tuple[str, bytes, list[dict[str, Any]], Callable[[bytes], Any]]
OPTIONS: list[dict[str, Any]] = [{"block": 1, "memory": "1Mi"}, {"by": "file", "block": 1}, {"memory": "1Mi"}]


def hdf5s() -> list[Example]:
    """Return files of HDF5, each with a dataset or two."""
    import h5py

    texts = ["é" * n for n in range(10)]
    kinds: list[dict[str, dict[str, Any]]] = [
        {
            "g/x": {
                "data": np.arange(40).reshape(10, 4), "chunks": (3, 2), "compression": "gzip", "shuffle": True,
            },
        },
        {"z": {"data": np.arange(10.0), "chunks": (4,), "compression": "lzf", "fletcher32": True}},
        {"c": {"data": np.arange(10)}, "u": {"shape": (10,), "dtype": "<f4", "fillvalue": 7}},
        {"t": {"data": texts}, "v": {"data": np.zeros(10, [("a", "<i2"), ("b", "S3")])}},
    ]  # fmt: skip
    found: list[Example] = []
    for version in ("earliest", "latest"):
        for kind in kinds:
            file = io.BytesIO()
            with h5py.File(file, "w", libver=version) as made:
                for name, words in kind.items():
                    made.create_dataset(name, **words)
            found.append(("hdf5", file.getvalue(), OPTIONS, Ranges))
    return found


def messages() -> tuple[list[bytes], Callable[[bytes], None]]:
    """Of what the process that reads files tells: an input's first byte chooses the file, its second one options."""
    from penstock.formats.hdf5 import readers
    from penstock.formats.hdf5.reading import Job, Wanted, encode_message
    from penstock.formats.hdf5.reading import _read as read_job
    from penstock.formats.registry import open_format

    loop = loop_of_one_thread()
    files = [data for _, data, _, _ in hdf5s()]
    kinds = [open_format("hdf5", options) for options in OPTIONS]
    seeds = []
    for number, data in enumerate(files):
        found = read_job(Job("one", len(data), None), lambda begin, length, data=data: data[begin : begin + length])
        told = encode_message(Wanted(0, len(data))) + encode_message(found)
        seeds += [bytes([number, how]) + told for how in range(len(kinds))]

    async def index(source: Ranges, kind: Any) -> None:
        async for _ in kind.index(source, source.info):
            pass

    def feed(data: bytes) -> None:
        if len(data) < 3:
            return

        async def start() -> Saying:
            return Saying(data[2:])

        with mock.patch.object(readers, "_start", start):
            loop.run_until_complete(index(Ranges(files[data[0] % len(files)]), kinds[data[1] % len(kinds)]))

    return seeds, feed


class Saying:
    """One that has said all that it says, and ends by a signal."""

    returncode = None

    def __init__(self, told: bytes) -> None:
        self.stdin, self.stdout = _Nowhere(), asyncio.StreamReader()
        self.stdout.feed_data(told)
        self.stdout.feed_eof()

    def kill(self) -> None:
        """End it."""

    async def wait(self) -> int:
        """Tell how it ended."""
        return -11


class _Nowhere:
    def write(self, data: bytes) -> None:
        """Take what it is given."""

    async def drain(self) -> None:
        """Wait for nothing."""

    def close(self) -> None:
        """Be over."""
