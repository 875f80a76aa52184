"""The manifest of a mix: those of its members one after the other, and each of them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.files import atomic_path
from penstock.manifest.columns import METADATA_KEY, SCHEMA
from penstock.manifest.reader import UNREADABLE, ManifestReader, damaged
from penstock.manifest.schema import SPLITS, ManifestInfo, SkippedObject
from penstock.manifest.writer import ManifestWriter
from penstock.records.codec import encode_record

__all__ = ["join_members", "member_manifest"]


def join_members(manifests: Sequence[Path], path: Path) -> ManifestInfo:
    """Write the manifest of a mix of one task's datasets: each split has the members' rows, one after the other.

    Raises:
        RecordError: one cannot be read.
        DiskFull, OutputUnwritable: it cannot be written.
    """
    infos: list[ManifestInfo] = []
    with ManifestWriter(path) as writer:
        for manifest in manifests:
            with ManifestReader(manifest) as reader:
                infos.append(reader.info)
                for part in reader.info.splits:
                    for extent in reader.rows(part.name) if part.num_extents else ():
                        writer.add(extent, split=part.name)
        first = infos[0]
        return writer.finish(
            task=first.task,
            task_options=first.task_options,
            source=first.source,
            seed=first.seed,
            shape=first.shape,
            classes=first.classes,
            skipped=_skipped(infos),
            created_at=infos[-1].created_at,
            created_by=first.created_by,
            fractions=first.fractions if len({info.fractions for info in infos}) == 1 else (),
            split_by=first.split_by,
            notes=tuple(dict.fromkeys(note for info in infos for note in info.notes)),
            values_sha256=first.values,
            transform=first.transform,
            members=infos,
            usual=first.task_options,  # their fingerprints tell them
        )


def _skipped(infos: Sequence[ManifestInfo]) -> list[SkippedObject]:
    return [item for info in infos for item in info.skipped]


def member_manifest(manifest: Path, number: int, path: Path) -> ManifestInfo:
    """Write the manifest of a member, 0-based, of a mix, as it was.

    Raises:
        RecordError: the mix's cannot be read.
        DiskFull, OutputUnwritable: it cannot be written.
    """
    with ManifestReader(manifest) as reader:
        members = reader.info.members
    info = members[number]
    runs = list(_runs(members, number))
    with (
        pq.ParquetFile(manifest, pre_buffer=False, page_checksum_verification=True) as file,
        atomic_path(path) as made,
        pq.ParquetWriter(made, SCHEMA, compression="zstd", write_page_checksum=True) as writer,
    ):
        first = 0
        for group in range(file.num_row_groups):
            end = first + file.metadata.row_group(group).num_rows
            wanted = [(max(first, start), min(end, stop)) for start, stop in runs if start < end and stop > first]
            if wanted:
                table = _table(file, group, manifest)
                for start, stop in wanted:
                    writer.write_table(table.slice(start - first, stop - start).cast(SCHEMA))
            first = end
        writer.add_key_value_metadata({METADATA_KEY: encode_record(info)})
    return info


def _table(file: pq.ParquetFile, group: int, manifest: Path) -> pa.Table:
    try:
        table = file.read_row_group(group, use_threads=False)
        table.validate(full=True)
    except UNREADABLE as error:
        raise damaged(manifest, str(error)) from error
    return table


def _runs(members: Sequence[ManifestInfo], number: int) -> Iterator[tuple[int, int]]:
    """Return where a member's rows begin and end, split by split."""
    first = 0
    for name in SPLITS:
        for at, info in enumerate(members):
            rows = sum(part.num_extents for part in info.splits if part.name == name)
            if at == number and rows:
                yield first, first + rows
            first += rows
