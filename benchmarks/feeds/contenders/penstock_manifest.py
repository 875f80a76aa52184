"""The manifest that `penstock list` would write of a dataset of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.feeds.cellspec import BUCKET, REGION, CellSpec, DataSpec
from benchmarks.feeds.contenders.spans import sample_spans
from penstock.manifest import Extent, ManifestWriter, SourceSpec, Span


def manifest_path(data: DataSpec, layout: str, endpoint: str) -> Path:
    """Return where the manifest of a layout on a server lies."""
    return Path(data.root) / "manifests" / f"{data.name}-{layout}-{endpoint.rpartition(':')[2]}.parquet"


def manifest_folder(cell: CellSpec) -> Path:
    """Return the folder where manifests lie that a run before a cell has kept for it."""
    return Path(cell.data.root) / "kept-manifests"


def make_manifest(
    data: DataSpec, layout: str, endpoint: str, *, path: Path | None = None, copies: Sequence[DataSpec] = ()
) -> None:
    """Write the manifest that `penstock list` would write for a task of raw bytes.

    Args:
        data: the dataset.
        layout: the one of its layouts that is read.
        endpoint: address of the server.
        path: of the manifest; that of ``manifest_path`` by default.
        copies: datasets that are listed behind it, their samples under names of their own.
    """
    source = SourceSpec.of(f"s3://{BUCKET}", endpoint_url=endpoint, region=REGION, anonymous=True)
    with ManifestWriter(path or manifest_path(data, layout, endpoint)) as writer:
        for number, each in enumerate((data, *copies)):
            for found in sample_spans(each, layout):
                name = f"{found.name}-{number}" if number else found.name
                span = Span(
                    object=found.key,
                    version=found.etag,
                    object_bytes=found.object_bytes,
                    offset=found.offset,
                    length_bytes=found.length_bytes,
                )
                writer.add(Extent(key=name, group="", spans=(span,), codec="{}", targets=(0.0,)), split="train")
        writer.finish(
            task="raw",
            task_options={},
            source=source,
            seed=0,
            shape=(data.sample_bytes // 4,),
            classes=(),
            skipped=(),
            created_at="2026-01-01T00:00:00Z",
            created_by="benchmarks.feeds",
        )
