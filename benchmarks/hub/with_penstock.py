"""The same examples by Penstock's public face."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import penstock
from benchmarks.hub.cellspec import CellSpec

Rows = Iterable[Mapping[str, Any]]
COLUMNS = ["id", "text"]
WINDOW = "64Mi"
SMALL_WINDOW = "16Mi"
"""For pictures, of which a batch has 2 MiB."""
BATCH, SMALL_BATCH = 250, 64


def _text(name: str) -> penstock.Dataset:
    return penstock.parquet(f"hf://datasets/org/{name}", split="train", columns=COLUMNS)


def _rows(
    cell: CellSpec, dataset: penstock.Dataset | penstock.Mixed, *, batch: int = BATCH, **options: Any
) -> Iterator[Mapping[str, Any]]:
    options = {"epochs": 1, "window": WINDOW, "window_folder": cell.window_folder, "collate": list} | options
    with dataset.loader(batch, **options) as loader:
        for batch in loader:
            yield from batch


def parquet_columns(cell: CellSpec) -> Rows:
    """Return the rows of some columns."""
    return _rows(cell, _text("web"), shuffle="none")


def json_lines(cell: CellSpec) -> Rows:
    """Return the rows of JSON lines, which are read whole to be listed: given while that goes on, in the same order."""
    return _rows(cell, penstock.jsonl("hf://datasets/org/lines", split="train"), shuffle="none", stream_listing=True)


def webdataset(cell: CellSpec) -> Rows:
    """Return the samples of TAR files, pictures left as they are."""
    return _pictures().rows()


def webdataset_in_batches(cell: CellSpec) -> Rows:
    """Return the same through a window; given while they are listed, as JSON lines are."""
    return _rows(cell, _pictures(), batch=SMALL_BATCH, shuffle="none", window=SMALL_WINDOW, stream_listing=True)


def _pictures() -> penstock.Dataset:
    return penstock.tar("hf://datasets/org/pictures", split="train").map(_with_json)


def _with_json(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**sample, "json": json.loads(sample["json"])}


def shuffled(cell: CellSpec) -> Rows:
    """Return all rows in an order of chance."""
    return _rows(cell, _text("web"), seed=42)


def interleaved(cell: CellSpec) -> Rows:
    """Return rows of two repositories by chance."""
    return _rows(cell, penstock.mix({_text("web"): 0.7, _text("books"): 0.3}, seed=42, stop="first"), shuffle="none")


def resumed(cell: CellSpec) -> Iterator[Mapping[str, Any]]:
    """Go on in the middle of an epoch."""
    position = Path(cell.position)
    options: dict[str, Any] = {"epochs": 1, "window": WINDOW, "window_folder": cell.window_folder, "collate": list}
    with _text("web").loader(BATCH, shuffle="none", **options) as loader:
        if not cell.leaves:
            loader.load_state_dict(json.loads(position.read_text()))
        for number, batch in enumerate(loader, 1):
            if not cell.leaves:
                yield from batch
            elif number == cell.num_rows // 2 // BATCH:
                position.write_text(json.dumps(loader.state_dict()))
            elif number > cell.num_rows // 2 // BATCH:
                yield from batch
                return


def skip_and_take(cell: CellSpec) -> Rows:
    """Return rows of the middle of a file."""
    dataset = _text("web")
    return islice(dataset.open_shard_at_row(dataset.shard_names[0], 1500), 1000)


def map_and_filter(cell: CellSpec) -> Rows:
    """Return some rows, changed."""
    changed = _text("web").map(lambda row: {**row, "size": len(row["text"])})
    return _rows(cell, changed.filter(lambda row: row["size"] > 2000), shuffle="none")


def _batches(cell: CellSpec, workers: int) -> Iterator[Mapping[str, Any]]:
    options: dict[str, Any] = {"epochs": 1, "window": WINDOW, "window_folder": cell.window_folder}
    with _text("web").loader(32, shuffle="none", workers=workers, **options) as loader:
        for batch in loader:
            for key, text in zip(batch["id"], batch["text"], strict=True):
                yield {"id": key, "text": text}


def batches(cell: CellSpec) -> Rows:
    """Return batches made in this process."""
    return _batches(cell, 0)


def batches_of_workers(cell: CellSpec) -> Rows:
    """Return batches made by two workers."""
    return _batches(cell, 2)


def shards(cell: CellSpec) -> Iterator[Mapping[str, Any]]:
    """Return the rows of one shard after the other."""
    source = _text("web")
    for name in source.shard_names:
        yield from source.open_shard(name)


def shards_of_json(cell: CellSpec) -> Iterator[Mapping[str, Any]]:
    """Return the rows of one shard of JSON lines after the other."""
    source = penstock.jsonl("hf://datasets/org/lines", split="train")
    for name in source.shard_names:
        yield from source.open_shard(name)


def shard_at_row(cell: CellSpec) -> Iterator[Mapping[str, Any]]:
    """Return the rows of a shard from its middle on."""
    source = _text("web")
    yield from source.open_shard_at_row(source.shard_names[0], 1500)


EXAMPLES: dict[str, Callable[[CellSpec], Rows]] = {
    "parquet": parquet_columns,
    "jsonl": json_lines,
    "webdataset": webdataset,
    "webdataset-loader": webdataset_in_batches,
    "shuffle": shuffled,
    "interleave": interleaved,
    "resume": resumed,
    "skip-take": skip_and_take,
    "map-filter": map_and_filter,
    "dataloader-0": batches,
    "dataloader-2": batches_of_workers,
    "shards": shards,
    "json-shards": shards_of_json,
    "shard-at-row": shard_at_row,
}
