"""Tables of people with a rule planted in them, and what a listing of tables holds."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.manifest import Extent, ManifestInfo, ManifestReader, SourceSpec
from penstock.sources import RequestMeter, open_source
from penstock.steps._shared.manifest_making import make_manifest
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task

__all__ = ["Listed", "list_tables", "people", "write_csv", "write_parquet"]


def people(count: int, *, seed: int = 0, shuffled: bool = False) -> pa.Table:
    """Return rows whose ``label`` follows from age and city, and ``price`` from both; other columns tell nothing."""
    rng = np.random.default_rng(seed)
    age, city = rng.normal(50, 12, count), rng.choice(["Ulm", "Bonn", "Köln"], count)
    label = np.where((age > 50) ^ (city == "Ulm"), "yes", "no")
    price = 3 * age + np.where(city == "Bonn", 40, 0) + rng.normal(size=count)
    if shuffled:
        rng.shuffle(label)
        rng.shuffle(price)
    known = [None if rng.random() < 0.05 else float(each) for each in age]
    return pa.table(
        {
            "id": [f"row-{number:05}" for number in range(count)],
            "age": known,
            "city": city,
            "noise": rng.normal(size=count),
            "member": rng.random(count) < 0.5,
            "label": label,
            "price": price,
            "patient": [f"p{number // 4}" for number in range(count)],
            "part": ["test" if number % 10 == 0 else "train" for number in range(count)],
        }
    )


def write_parquet(folder: Path, table: pa.Table, *, files: int = 2, group_rows: int = 100) -> Path:
    """Write a table to Parquet files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = -(-table.num_rows // files)
    for number in range(files):
        pq.write_table(table.slice(number * rows, rows), folder / f"{number}.parquet", row_group_size=group_rows)
    return folder


def write_csv(folder: Path, table: pa.Table, *, files: int = 2, delimiter: str = ",") -> Path:
    """Write a table to CSV files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = -(-table.num_rows // files)
    for number in range(files):
        with (folder / f"{number}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow(table.column_names)
            for row in table.slice(number * rows, rows).to_pylist():
                writer.writerow(["" if cell is None else cell for cell in row.values()])
    return folder


@dataclass(frozen=True)
class Listed:
    """A listing of tables.

    Attributes:
        splits: of the extents.
        read_bytes: that the listing was sent.
    """

    folder: Path
    info: ManifestInfo
    extents: list[Extent]
    splits: list[str]
    read_bytes: int

    def keys(self, split: str) -> list[str]:
        """Return the names of a split's rows, in the order of the manifest."""
        found: list[str] = []
        for extent, own in zip(self.extents, self.splits, strict=True):
            if own == split:
                rows: Any = self._decoded(extent, np.arange(extent.num_samples))
                found += [rows.key_of(at) for at in range(len(rows))]
        return found

    def _decoded(self, extent: Extent, numbers: np.ndarray[Any, Any]) -> Sequence[Any]:
        parts = [(self.folder / span.object).read_bytes()[span.offset :][: span.length_bytes] for span in extent.spans]
        found: Sequence[Any] = get_task("table").decode(memoryview(b"".join(parts)), extent, extent.codec, numbers)  # type: ignore[arg-type]
        return found

    def of(self, split: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return a split's inputs and targets, in the order of the manifest."""
        inputs, targets = [], []
        for extent, own in zip(self.extents, self.splits, strict=True):
            if own != split:
                continue
            numbers = np.arange(extent.num_samples)
            found, half = self._decoded(extent, numbers), self._decoded(extent, numbers[1::2])
            assert [row["inputs"].tolist() for row in half] == [row["inputs"].tolist() for row in found[1::2]]
            inputs += [row["inputs"] for row in found]
            targets += [row["targets"] for row in found]
        return np.array(inputs), np.array(targets)

    @property
    def left_out(self) -> dict[str, str]:
        return {item.object: item.reason for item in self.info.skipped}


def list_tables(
    folder: Path,
    *,
    fractions: Sequence[float] = (0.6, 0.2, 0.2),
    by_sample: bool = False,
    seed: int = 0,
    skip_bad: bool = False,
    max_files: int | None = None,
    **options: Any,
) -> Listed:
    """List tables in a folder."""
    path, task = folder.parent / "manifest.parquet", get_task("table")
    meter = RequestMeter()
    defaults = {option.name: option.default for option in task.options}
    info = asyncio.run(
        make_manifest(
            open_source(SourceSpec(uri=str(folder)), meter=meter),
            task,
            path=path,
            limits=Limits(skip_bad=skip_bad, max_files=max_files),
            options={**defaults, **options},
            fractions=fractions,
            by_sample=by_sample,
            seed=seed,
        )
    )
    with ManifestReader(path) as reader:
        extents = [reader.row(row) for row in range(info.num_extents)]
    splits = [split.name for split in info.splits for _ in range(split.num_extents)]
    return Listed(folder, info, extents, splits, meter.bytes_downloaded)
