"""One measurement, in a process of its own.

    python -m benchmarks.hub.cell '<CellSpec as JSON>'

The last line of its output is a CellResult as JSON. Each row's content is read once, by a sum, by all sides alike. The
clock begins before the library is imported: a script's user waits for that too. torch is there before, on all
sides, since a trainer has it anyway.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import zlib
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.common.answering import answer
from benchmarks.common.proctree import tree_cpu_seconds
from benchmarks.hub.cellspec import CellResult, CellSpec, decode_spec, encode

MODULO = 1 << 64
FIRST_KEYS = 5


def content_of(row: Mapping[str, Any]) -> tuple[str, bytes]:
    """Return a row's key and the bytes that are compared."""
    if "text" in row:
        return row["id"], row["text"].encode()
    picture = row["jpg"]
    # Where `datasets` leaves pictures as they are, it gives a path beside the bytes.
    return row["__key__"], picture["bytes"] if isinstance(picture, dict) else picture


def _loop(rows: Iterable[Mapping[str, Any]], started: float) -> dict[str, Any]:
    first_seconds = 0.0
    keys: list[str] = []
    hashes = array("Q")
    number = 0
    for row in rows:
        if not number:
            first_seconds = time.perf_counter() - started
        number += 1
        key, content = content_of(row)
        if number <= FIRST_KEYS:
            keys.append(key)
        hashes.append(zlib.crc32(content, zlib.crc32(key.encode())) << 32 | zlib.adler32(key.encode()))
    seconds = time.perf_counter() - started
    return {
        "num_rows": number,
        "num_distinct": len(set(hashes)),
        "digest": sum(value * value for value in hashes) % MODULO,
        "first_keys": tuple(keys),
        "first_seconds": first_seconds,
        "seconds": seconds,
    }


def measure(cell: CellSpec) -> CellResult:
    """Run an example to its end."""
    import torch

    torch.set_num_threads(1)
    cpu_before = tree_cpu_seconds(os.getpid())
    started = time.perf_counter()
    side = importlib.import_module(f"benchmarks.hub.{cell.side}")
    imported = time.perf_counter() - started
    told = _loop(side.EXAMPLES[cell.example](cell), started)
    cpu_seconds = tree_cpu_seconds(os.getpid()) - cpu_before
    return CellResult(**told, import_seconds=imported, cpu_seconds=cpu_seconds)


def main() -> None:
    """Run one cell."""
    cell = decode_spec(sys.argv[1])
    os.environ["HF_ENDPOINT"] = cell.endpoint
    answer(lambda: measure(cell), encode, profile=cell.profile)


if __name__ == "__main__":
    main()
