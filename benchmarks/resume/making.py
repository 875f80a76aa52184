"""Packed files of any size that are one object: each sample tells its number and its checksum."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

__all__ = ["LAYOUTS", "make"]

FRAME_BYTES = 4 << 20
"""Of Zstandard, unpacked, as ``pzstd`` makes them."""
SAMPLE_BYTES = 200_000
ROW_BYTES = 2_000
NUM_MARKS = 1000


class Frames(io.RawIOBase):
    """A file that is packed by Zstandard, a frame for each some MiB."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._held, self._codec = file, bytearray(), pa.Codec("zstd", 1)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        while len(self._held) >= FRAME_BYTES:
            self._put(FRAME_BYTES)
        return len(data)

    def close(self) -> None:
        if not self.closed and self._held:
            self._put(len(self._held))
        super().close()

    def _put(self, count: int) -> None:
        self._file.write(self._codec.compress(bytes(self._held[:count]), asbytes=True))
        del self._held[:count]


@contextmanager
def _packed(file: IO[bytes], how: str) -> Iterator[Any]:
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) if how == "gz" else Frames(file) as packed:
        yield packed


def make(path: Path, layout: str, size_bytes: int) -> list[tuple[int, int]]:
    """Write a file of about a size, packed; return of some samples the number, and how many packed bytes are before.

    Args:
        layout: one of ``LAYOUTS``.
    """
    kind, how = layout.split(".")
    marks: list[tuple[int, int]] = []
    with path.open("wb") as file, _packed(file, how) as packed:
        write = _tar(packed) if kind == "tar" else _lines(packed)
        number = 0
        while file.tell() < size_bytes:
            if not marks or file.tell() - marks[-1][1] >= size_bytes // NUM_MARKS:
                marks.append((number, file.tell()))
            write.send(number)
            number += 1
        write.close()
    return marks


def _body(number: int, size: int) -> bytes:
    """Return what three quarters are of chance and the rest packs well, as of pictures and texts."""
    chance = random.Random(number)
    return chance.randbytes(size * 3 // 4) + (b"%d of what comes again " % number) * (size // 4 // 24)


def _tar(file: Any) -> Any:
    def writing() -> Any:
        with tarfile.open(fileobj=file, mode="w|") as archive:
            while True:
                number = yield
                body = _body(number, SAMPLE_BYTES)
                about = json.dumps({"n": number, "crc": zlib.crc32(body)}).encode()
                for name, data in (("bin", body), ("json", about)):
                    member = tarfile.TarInfo(f"{number:08}.{name}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))

    return _begun(writing())


def _lines(file: Any) -> Any:
    def writing() -> Any:
        while True:
            number = yield
            body = _body(number, ROW_BYTES).hex()
            file.write(json.dumps({"n": number, "crc": zlib.crc32(body.encode()), "text": body}).encode() + b"\n")

    return _begun(writing())


def _begun(made: Any) -> Any:
    next(made)
    return made


LAYOUTS = ("tar.gz", "tar.zst", "jsonl.gz", "jsonl.zst")
