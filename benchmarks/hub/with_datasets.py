"""Examples of the documentation of Hugging Face `datasets` (Stream, WebDataset, PyTorch), as they are there."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from datasets import IterableDataset, interleave_datasets, load_dataset
from torch.utils.data import DataLoader

from benchmarks.hub.cellspec import CellSpec

Rows = Iterable[Mapping[str, Any]]
COLUMNS = ["id", "text"]


def _load(name: str, **options: Any) -> IterableDataset:
    return load_dataset(f"org/{name}", split="train", streaming=True, **options)


def parquet_columns(cell: CellSpec) -> Rows:
    """Return the rows of some columns."""
    return _load("web", columns=COLUMNS)


def json_lines(cell: CellSpec) -> Rows:
    """Return the rows of JSON lines."""
    return _load("lines")


def webdataset(cell: CellSpec) -> Rows:
    """Return the samples of TAR files, pictures left as they are."""
    return _load("pictures").decode(False)


def shuffled(cell: CellSpec) -> Rows:
    """Return rows by a buffer."""
    return _load("web", columns=COLUMNS).shuffle(seed=42, buffer_size=10_000)


def interleaved(cell: CellSpec) -> Rows:
    """Return rows of two repositories by chance."""
    both = [_load("web", columns=COLUMNS), _load("books", columns=COLUMNS)]
    return interleave_datasets(both, probabilities=[0.7, 0.3], seed=42)


def resumed(cell: CellSpec) -> Rows:
    """Go on in the middle of an epoch."""
    dataset = _load("web", columns=COLUMNS)
    if not cell.leaves:
        dataset.load_state_dict(pickle.loads(Path(cell.position).read_bytes()))
        return dataset
    return _left(cell, dataset)


def _left(cell: CellSpec, dataset: IterableDataset) -> Iterator[Mapping[str, Any]]:
    rows = iter(dataset)
    for _ in range(cell.num_rows // 2):
        next(rows)
    Path(cell.position).write_bytes(pickle.dumps(dataset.state_dict()))
    for _ in range(10):
        yield next(rows)


def skip_and_take(cell: CellSpec) -> Rows:
    """Return rows of the middle of a file."""
    return _load("web", columns=COLUMNS).skip(1500).take(1000)


def map_and_filter(cell: CellSpec) -> Rows:
    """Return some rows, changed."""
    dataset = _load("web", columns=COLUMNS)
    changed = dataset.map(lambda row: {"size": len(row["text"])})
    return changed.filter(lambda row: row["size"] > 2000)


def _batches(dataset: IterableDataset, num_workers: int) -> Iterator[Mapping[str, Any]]:
    for batch in DataLoader(dataset.with_format("torch"), batch_size=32, num_workers=num_workers):
        for key, text in zip(batch["id"], batch["text"], strict=True):
            yield {"id": key, "text": text}


def batches(cell: CellSpec) -> Rows:
    """Return batches made in this process."""
    return _batches(_load("web", columns=COLUMNS), 0)


def batches_of_workers(cell: CellSpec) -> Rows:
    """Return batches made by two workers."""
    return _batches(_load("web", columns=COLUMNS), 2)


EXAMPLES: dict[str, Callable[[CellSpec], Rows]] = {
    "parquet": parquet_columns,
    "jsonl": json_lines,
    "webdataset": webdataset,
    "webdataset-loader": webdataset,
    "shuffle": shuffled,
    "interleave": interleaved,
    "resume": resumed,
    "skip-take": skip_and_take,
    "map-filter": map_and_filter,
    "dataloader-0": batches,
    "dataloader-2": batches_of_workers,
}
