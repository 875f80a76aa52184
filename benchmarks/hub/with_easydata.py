"""EasyData's documented snippets (EasyDeL, `easydel.data`), by what it stands on.

EasyDeL itself needs JAX for accelerators and can't be installed beside the others. Its `ParquetShardedSource` and
`JsonShardedSource` open each shard by fsspec and read one row group, or line, after the other by pyarrow and `json`:
that is written here in few lines, without its retries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import fsspec
import pyarrow.parquet as pq

from benchmarks.hub.cellspec import CellSpec

Rows = Iterable[Mapping[str, Any]]
COLUMNS = ["id", "text"]


def _files(name: str, extension: str) -> list[str]:
    system = fsspec.filesystem("hf")
    return [f"hf://{path}" for path in sorted(system.glob(f"datasets/org/{name}/data/*.{extension}"))]


def _open_parquet(path: str, row: int = 0) -> Iterator[Mapping[str, Any]]:
    with fsspec.open(path, "rb") as file:
        parquet = pq.ParquetFile(file)
        before = 0
        for number in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(number).num_rows
            if before + count > row:
                columns = parquet.read_row_group(number, columns=COLUMNS).to_pydict()
                for place in range(max(0, row - before), count):
                    yield {name: values[place] for name, values in columns.items()}
            before += count


def shards(cell: CellSpec) -> Iterator[Mapping[str, Any]]:
    """Return the rows of one shard after the other."""
    for path in _files("web", "parquet"):
        yield from _open_parquet(path)


def shards_of_json(cell: CellSpec) -> Iterator[Mapping[str, Any]]:
    """Return the rows of one shard of JSON lines after the other."""
    for path in _files("lines", "jsonl"):
        with fsspec.open(path, "r") as file:
            for line in file:
                if stripped := line.strip():
                    yield json.loads(stripped)


def shard_at_row(cell: CellSpec) -> Iterator[Mapping[str, Any]]:
    """Return the rows of a shard from its middle on."""
    yield from _open_parquet(_files("web", "parquet")[0], 1500)


EXAMPLES: dict[str, Callable[[CellSpec], Rows]] = {
    "shards": shards,
    "json-shards": shards_of_json,
    "shard-at-row": shard_at_row,
}
