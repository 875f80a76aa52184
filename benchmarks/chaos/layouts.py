"""Samples of known bytes in files of several formats, and how a user opens each.

A sample is its number and bytes that are a function of it, so that any process can check any sample.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import penstock

__all__ = ["LAYOUTS", "Layout", "sample_bytes", "write_layout"]

NUM_FILES = 4
GROUP_SAMPLES = 7
"""Of a row group."""


def sample_bytes(number: int, size_bytes: int) -> bytes:
    """Return a sample's bytes."""
    return np.random.default_rng(number).bytes(size_bytes)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A way to keep samples in files.

    Attributes:
        write: writes a file of samples, by its path, their first number and their bytes.
        open: makes a dataset of a source, by where it lies.
        read: gives the numbers and the bytes of a batch.
        samples_a_file: None is a share of all.
    """

    write: Callable[[Path, int, Sequence[bytes]], None]
    open: Callable[..., penstock.Dataset]
    read: Callable[[Any], Iterator[tuple[int, bytes]]]
    samples_a_file: int | None = None


def write_layout(name: str, folder: Path, *, num_samples: int, size_bytes: int) -> None:
    """Write all samples."""
    layout = LAYOUTS[name]
    folder.mkdir()
    at_once = layout.samples_a_file or -(-num_samples // NUM_FILES)
    for first in range(0, num_samples, at_once):
        numbers = range(first, min(first + at_once, num_samples))
        layout.write(folder / f"{first:06}.{name}", first, [sample_bytes(number, size_bytes) for number in numbers])


def _write_object(path: Path, first: int, samples: Sequence[bytes]) -> None:
    path.write_bytes(first.to_bytes(8, "little") + samples[0])


def _read_objects(batch: Any) -> Iterator[tuple[int, bytes]]:
    return ((int.from_bytes(data[:8], "little"), data[8:]) for data in batch)


def _write_parquet(path: Path, first: int, samples: Sequence[bytes]) -> None:
    noise = [bytes(len(data)) for data in samples]
    columns = {"noise": noise, "number": range(first, first + len(samples)), "data": samples, "more": noise}
    pq.write_table(pa.table(columns), path, row_group_size=GROUP_SAMPLES, compression="none")


def _open_parquet(source: str, **where: Any) -> penstock.Dataset:
    return penstock.parquet(source, columns=["number", "data"], **where)


def _read_rows(batch: Any) -> Iterator[tuple[int, bytes]]:
    return zip(batch["number"].tolist(), batch["data"], strict=True)


def _write_csv(path: Path, first: int, samples: Sequence[bytes]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "data"])
        writer.writerows((number, data.hex()) for number, data in enumerate(samples, first))


def _open_csv(source: str, **where: Any) -> penstock.Dataset:
    return penstock.of_format("csv", source, options={"block": "64Ki"}, **where)


def _read_cells(batch: Any) -> Iterator[tuple[int, bytes]]:
    return zip(map(int, batch["number"]), map(bytes.fromhex, batch["data"]), strict=True)


def _write_tar(path: Path, first: int, samples: Sequence[bytes]) -> None:
    with closing(tarfile.open(path, "w")) as archive:
        for number, data in enumerate(samples, first):
            for name, content in (("cls", b"%d" % number), ("bin", data), ("noise", bytes(len(data)))):
                member = tarfile.TarInfo(f"{number:06}.{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def _open_tar(source: str, **where: Any) -> penstock.Dataset:
    return penstock.tar(source, sample=("cls", "bin"), **where)


def _read_members(batch: Any) -> Iterator[tuple[int, bytes]]:
    return zip(map(int, batch["cls"]), batch["bin"], strict=True)


LAYOUTS = {
    "objects": Layout(write=_write_object, open=penstock.objects, read=_read_objects, samples_a_file=1),
    "parquet": Layout(write=_write_parquet, open=_open_parquet, read=_read_rows),
    "csv": Layout(write=_write_csv, open=_open_csv, read=_read_cells),
    "tar": Layout(write=_write_tar, open=_open_tar, read=_read_members),
}
