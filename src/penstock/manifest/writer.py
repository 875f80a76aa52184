"""Writing a manifest, row group by row group."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.errors import DataError, PenstockError, RecordError, map_os_error
from penstock.files import atomic_path
from penstock.manifest.classes import ObjectClasses
from penstock.manifest.columns import METADATA_KEY, SCHEMA, to_table
from penstock.manifest.distinct import DistinctNames
from penstock.manifest.listing import SCRATCH
from penstock.manifest.schema import SPLITS, Extent, ManifestInfo, SkippedObject, SourceSpec, Split, sample_key
from penstock.records.classes import ClassSize
from penstock.records.codec import encode_record
from penstock.temporary import TemporaryFolder
from penstock.units import MIB

__all__ = ["ManifestWriter"]

ROW_GROUP_ROWS = 2048
MAX_ROW_GROUP_ROWS = 65_536
ROW_GROUPS = 32
"""Row groups of a manifest of many extents: few, so that many rows of each are read at once in a shuffled order."""
ROW_GROUP_BYTES = 16 * MIB
"""Bound on a row group's bytes before they are compressed, where it has more rows than the fewest."""

_FAILURES = (OSError, UnicodeEncodeError, OverflowError, pa.ArrowException)
_ENCODER = msgspec.msgpack.Encoder()


class _Moments:
    """Count, mean and squared deviations of a stream of numbers (Welford 1962)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self.squares += delta * (value - self.mean)

    @property
    def std(self) -> float:
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0


def _named(extent: Extent) -> Extent:
    """Return an extent by what names its content: how a server is asked for it is no part of that."""
    for span in extent.spans:
        if span.validator is not None:
            break
    else:
        return extent
    spans = tuple(msgspec.structs.replace(span, validator=None) for span in extent.spans)
    return msgspec.structs.replace(extent, spans=spans)


class _SplitWriter:
    """Rows of one split, in a scratch file: a stream of Arrow batches, since each row group of Parquet takes memory."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.path = folder / f"{name}.arrow"
        self.digest = hashlib.sha256()
        self.targets = _Moments()
        self.groups = DistinctNames(folder)
        self._encoded = bytearray()
        self.num_extents = self.num_samples = 0
        self.size_bytes = 0
        self._rows: list[Extent] = []
        self.table_bytes = 0
        self._file = pa.OSFile(str(self.path), "wb")
        self._writer = pa.ipc.new_stream(self._file, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd"))

    def add(self, extent: Extent, size_bytes: int) -> int:
        """Append an extent; give the bytes of its row."""
        before = len(self._encoded)
        _ENCODER.encode_into(_named(extent), self._encoded, -1)
        self._rows.append(extent)
        for group in extent.groups or (extent.group,):
            self.groups.add(group)
        self.num_extents += 1
        self.num_samples += extent.num_samples
        self.size_bytes += size_bytes
        for target in extent.targets:
            if target is not None:
                self.targets.add(target)
        encoded_bytes = len(self._encoded) - before
        if len(self._rows) >= ROW_GROUP_ROWS:
            self._flush()
        return encoded_bytes

    def _flush(self) -> None:
        if self._rows:
            self.digest.update(self._encoded)
            self._encoded.clear()
            table = to_table(self._rows)
            self.table_bytes += table.nbytes
            self._writer.write_table(table)
            self._rows = []

    def finish(self) -> None:
        self._flush()
        self._writer.close()
        self._file.close()

    def abandon(self) -> None:
        # Its file is about to be removed: that its end cannot be written, as on a full disk, is of no matter.
        for opened in (self._writer, self._file):
            with contextlib.suppress(OSError, pa.ArrowException):
                opened.close()
        self.groups.close()

    def describe(self, first_row: int) -> Split:
        known = self.targets.count > 0
        return Split(
            name=self.name,
            first_row=first_row,
            num_extents=self.num_extents,
            num_samples=self.num_samples,
            num_groups=self.groups.totals()[0],
            size_bytes=self.size_bytes,
            target_mean=self.targets.mean if known else None,
            target_std=self.targets.std if known else None,
        )


class ManifestWriter:
    """Writes a manifest; a context manager that leaves nothing behind unless ``finish`` was called.

    Holds one row group of each split in memory, whatever their number, and no names: it tells how many groups and
    objects there are by ``DistinctNames``.

    Args:
        path: of the manifest.
        scratch: folder for what does not fit in memory; None is the manifest's own.

    Raises:
        DiskFull, OutputUnwritable: from any method.
    """

    def __init__(self, path: Path, *, scratch: Path | None = None) -> None:
        self._path = path
        scratch = scratch or path.parent
        self._splits: dict[str, _SplitWriter] = {}
        self._max_extent_bytes = self._max_description_bytes = self._max_decoded_bytes = 0
        with self._errors():
            scratch.mkdir(parents=True, exist_ok=True)
            self._scratch = TemporaryFolder(SCRATCH, scratch)
        self._objects = DistinctNames(self._scratch.path)
        try:
            with self._errors():
                for name in SPLITS:
                    self._splits[name] = _SplitWriter(name, self._scratch.path)
        except BaseException:
            self._abandon()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abandon()

    def add(self, extent: Extent, *, split: str) -> None:
        """Append an extent to a split.

        Raises:
            DataError: a target is not a finite number, or what it tells of its samples is not of each.
            RecordError: it cannot be written: a name is not Unicode text, or a number is beyond 64 bits.
        """
        _check(extent)
        size_bytes = extent.size_bytes
        try:
            described_bytes = self._splits[split].add(extent, size_bytes)
        except _FAILURES as error:
            raise self._mapped(error) from error
        self._max_extent_bytes = max(self._max_extent_bytes, size_bytes)
        self._max_description_bytes = max(self._max_description_bytes, described_bytes)
        self._max_decoded_bytes = max(self._max_decoded_bytes, extent.decoded_bytes)
        for span in extent.spans:
            self._objects.add(span.object, span.object_bytes)

    def finish(
        self,
        *,
        task: str,
        task_options: Mapping[str, str | int | float | bool | None],
        source: SourceSpec,
        seed: int,
        shape: Sequence[int],
        classes: Sequence[str],
        skipped: Sequence[SkippedObject],
        created_at: str,
        created_by: str,
        fractions: Sequence[float] = (),
        split_by: Literal["group", "sample"] = "group",
        notes: Sequence[str] = (),
        values: str = "",
        values_sha256: str = "",
        transform: str = "",
        members: Sequence[ManifestInfo] = (),
        stored_from: SourceSpec | None = None,
        usual: Mapping[str, str | int | float | bool | None] | None = None,
        storage_classes: ObjectClasses | Mapping[str, ClassSize] | None = None,
    ) -> ManifestInfo:
        """Join the splits into the file, fingerprint it, put it in its place, and say what it holds.

        Args:
            values_sha256: of ``values``, where it is known instead of them.
            members: of a mix; rows of each split were added one member after the other.
            stored_from: source whose samples were decoded and stored.
            usual: values of the task's options where nobody gives any. They are no part of the fingerprint, so that
                an option that a later release adds changes none.
            storage_classes: of the objects that were listed, or what there is of each; no part of the fingerprint.

        Raises:
            RecordError: what is told of the samples cannot be written.
        """
        behind = (*((transform,) if transform else ()), *(each.fingerprint for each in members))
        asked = sorted((name, value) for name, value in task_options.items() if not _is_usual(name, value, usual or {}))
        meaning = (task, asked, source.uri, list(shape), list(classes), *behind)
        with self._errors():
            digest = hashlib.sha256(msgspec.msgpack.encode(meaning))
            for split in self._splits.values():
                split.finish()
        described, first_row = [], 0
        for split in self._splits.values():
            digest.update(split.name.encode() + split.digest.digest())
            described.append(split.describe(first_row))
            first_row += split.num_extents
        num_objects, object_bytes = self._objects.totals()
        if members:  # two of them may name an object alike
            num_objects, object_bytes = (
                sum(getattr(each, name) for each in members) for name in ("num_objects", "object_bytes")
            )
        info = ManifestInfo(
            task=task,
            task_options=dict(task_options),
            source=source,
            seed=seed,
            shape=tuple(shape),
            classes=tuple(classes),
            splits=tuple(described),
            num_objects=num_objects,
            object_bytes=object_bytes,
            max_extent_bytes=self._max_extent_bytes,
            max_description_bytes=self._max_description_bytes,
            max_decoded_bytes=self._max_decoded_bytes,
            skipped=tuple(skipped),
            fingerprint=digest.hexdigest(),
            created_at=created_at,
            created_by=created_by,
            fractions=tuple(fractions),
            split_by=split_by,
            notes=tuple(notes),
            values=hashlib.sha256(values.encode()).hexdigest() if values else values_sha256,
            transform=transform,
            members=tuple(members),
            stored_from=stored_from,
            storage_classes=self._class_sizes(storage_classes),
        )
        encoded = encode_record(info)
        with atomic_path(self._path) as temporary:
            self._join(temporary, encoded)
        return info

    def object_totals(self) -> tuple[int, int]:
        """Return how many objects the rows so far lie in, and their bytes, whole."""
        return self._objects.totals()

    def _class_sizes(self, told: ObjectClasses | Mapping[str, ClassSize] | None) -> dict[str, ClassSize]:
        return told.sizes(self._objects) if isinstance(told, ObjectClasses) else dict(told or {})

    def _join(self, target: Path, info: bytes) -> None:
        group_rows = _row_group_rows(
            sum(split.num_extents for split in self._splits.values()),
            sum(split.table_bytes for split in self._splits.values()),
        )
        with pq.ParquetWriter(target, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
            for split in self._splits.values():
                with pa.OSFile(str(split.path)) as file, pa.ipc.open_stream(file) as rows:
                    for batches in _together(rows, group_rows // ROW_GROUP_ROWS):
                        table = pa.Table.from_batches(batches).unify_dictionaries()
                        writer.write_table(table, row_group_size=group_rows)
            writer.add_key_value_metadata({METADATA_KEY: info})

    def _abandon(self) -> None:
        for split in self._splits.values():
            split.abandon()
        self._objects.close()
        self._scratch.close()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise self._mapped(error) from error

    def _mapped(self, error: Exception) -> PenstockError:
        if isinstance(error, OSError):
            return map_os_error(error, str(self._path))
        return RecordError(
            f"an extent cannot be written to the manifest {self._path} ({error})",
            fix="give its objects names of Unicode text and its numbers at most 64 bits, or leave it out",
            about=str(self._path),
        )


def _is_usual(name: str, value: object, usual: Mapping[str, object]) -> bool:
    return name in usual and value == usual[name] and type(value) is type(usual[name])


def _check(extent: Extent) -> None:
    """Refuse an extent that tells of other samples than it has, or of targets that are no numbers."""
    count = extent.num_samples
    told = extent.keys, extent.groups, extent.targets, extent.args
    if count < 1 or not {len(each) for each in told} <= {0, count}:
        names = (f"{len(each)} {name}" for each, name in zip(told, ("keys", "groups", "targets", "args"), strict=True))
        raise DataError(
            f"{extent.key} is of {count} sample(s), with {', '.join(names)}",
            fix="give an extent at least one sample, and one of each for every sample, or none",
            about=extent.key,
        )
    for number, target in enumerate(extent.targets):
        if target is not None and not math.isfinite(target):
            key = sample_key(extent, number)
            raise DataError(
                f"the target of sample {key} is {target}",
                fix="correct the labels, or leave the sample out",
                about=key,
            )


def _row_group_rows(num_rows: int, total_bytes: int) -> int:
    """Choose the rows of a row group, a multiple of ``ROW_GROUP_ROWS``."""
    fitting = ROW_GROUP_BYTES * num_rows // max(total_bytes, 1)
    wanted = min(max(num_rows // ROW_GROUPS, ROW_GROUP_ROWS), MAX_ROW_GROUP_ROWS, max(fitting, ROW_GROUP_ROWS))
    return wanted // ROW_GROUP_ROWS * ROW_GROUP_ROWS


def _together(batches: Iterable[pa.RecordBatch], count: int) -> Iterator[list[pa.RecordBatch]]:
    """Return batches, ``count`` at a time."""
    left = iter(batches)
    while found := list(islice(left, count)):
        yield found
