"""The manifest: every sample of a dataset, in Parquet, one row a sample.

Rows of one split lie together, in the order in which the task made them; ``ManifestInfo`` (JSON in the
file's key-value metadata) tells where each split begins. It is written and read in row groups and never
held whole in memory. Its fingerprint is the SHA-256 of every row's content in order, and names the data
exactly: a plan belongs to one fingerprint.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from penstock.errors import ConfigError, RecordError, map_os_error
from penstock.files import atomic_path
from penstock.records.codec import Part, Record, decode_record, encode_record

__all__ = [
    "SPLITS",
    "ManifestInfo",
    "ManifestReader",
    "ManifestWriter",
    "Sample",
    "SkippedObject",
    "SourceSpec",
    "Span",
    "Split",
]

SPLITS = ("train", "valid", "test")
ROW_GROUP_ROWS = 2048
CACHED_ROW_GROUPS = 64
_METADATA_KEY = "penstock.manifest"

_SPAN = pa.struct(
    [
        pa.field("object", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("object_bytes", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length_bytes", pa.int64(), nullable=False),
    ]
)
_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("spans", pa.list_(pa.field("item", _SPAN, nullable=False)), nullable=False),
        pa.field("target", pa.float64(), nullable=True),
        pa.field("decode", pa.string(), nullable=False),
        pa.field("args", pa.list_(pa.field("item", pa.int64(), nullable=False)), nullable=False),
    ]
)


class Span(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of bytes of one object, with what identifies the object's version."""

    object: str
    etag: str
    object_bytes: int
    offset: int
    length_bytes: int


class Sample(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model is fed with.

    Attributes:
        key: unique, readable name.
        group: subject or patient; a group never straddles splits.
        spans: where its bytes lie, in the order in which they are joined.
        target: number to predict, or class index; None where there is none.
        decode: JSON for the task's decoder, the same for all samples of an object.
        args: integers for the task's decoder, of this sample.
    """

    key: str
    group: str
    spans: tuple[Span, ...]
    target: float | None
    decode: str
    args: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes to fetch for it."""
        return sum(span.length_bytes for span in self.spans)


class SourceSpec(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a dataset lies and how it is reached. Holds no secrets."""

    uri: str
    endpoint_url: str | None = None
    region: str | None = None
    anonymous: bool = False
    requester_pays: bool = False


class Split(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of manifest rows.

    Attributes:
        target_mean: mean of the targets, None where there are none.
        target_std: population standard deviation of the targets.
    """

    name: str
    first_row: int
    num_samples: int
    num_groups: int
    size_bytes: int
    target_mean: float | None
    target_std: float | None


class SkippedObject(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object (or subject) that no samples were made from, and why."""

    object: str
    reason: str


class ManifestInfo(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manifest says of itself.

    Attributes:
        task: name of the task that made the samples.
        task_options: the options that they were made with, as ``--flag`` name to value.
        shape: axes of one decoded sample, for EEG (channels, times).
        classes: names of the classes, empty for regression.
        num_objects: objects that samples lie in.
        object_bytes: their sizes together.
        max_sample_bytes: the largest sample's bytes.
    """

    kind: ClassVar[str] = "manifest"
    version: ClassVar[int] = 1

    task: str
    task_options: dict[str, str | int | float | bool | None]
    source: SourceSpec
    seed: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    splits: tuple[Split, ...]
    num_objects: int
    object_bytes: int
    max_sample_bytes: int
    skipped: tuple[SkippedObject, ...]
    fingerprint: str
    created_at: str
    created_by: str

    @property
    def num_samples(self) -> int:
        """Rows of all splits."""
        return sum(split.num_samples for split in self.splits)

    def split(self, name: str) -> Split:
        """Give a split by its name.

        Raises:
            ConfigError: there is no such split, or it is empty.
        """
        for split in self.splits:
            if split.name == name and split.num_samples:
                return split
        have = ", ".join(s.name for s in self.splits if s.num_samples)
        raise ConfigError(f"the manifest has no samples in split {name!r}", fix=f"choose one of: {have}")


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


class _SplitWriter:
    """Rows of one split, in a scratch Parquet file."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.path = folder / f"{name}.parquet"
        self.digest = hashlib.sha256()
        self.targets = _Moments()
        self.groups: set[str] = set()
        self.num_samples = 0
        self.size_bytes = 0
        self._rows: list[Sample] = []
        self._writer = pq.ParquetWriter(self.path, _SCHEMA, compression="zstd")

    def add(self, sample: Sample) -> None:
        self._rows.append(sample)
        self.digest.update(msgspec.msgpack.encode(sample))
        self.groups.add(sample.group)
        self.num_samples += 1
        self.size_bytes += sample.size_bytes
        if sample.target is not None:
            self.targets.add(sample.target)
        if len(self._rows) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            rows = [msgspec.to_builtins(row) for row in self._rows]
            self._writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
            self._rows = []

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def describe(self, first_row: int) -> Split:
        known = self.targets.count > 0
        return Split(
            name=self.name,
            first_row=first_row,
            num_samples=self.num_samples,
            num_groups=len(self.groups),
            size_bytes=self.size_bytes,
            target_mean=self.targets.mean if known else None,
            target_std=self.targets.std if known else None,
        )


class ManifestWriter:
    """Writes a manifest; a context manager that leaves nothing behind unless ``finish`` was called.

    Raises:
        DiskFull, OutputUnwritable: from any method.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._scratch = tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent)
            self._splits = {name: _SplitWriter(name, Path(self._scratch.name)) for name in SPLITS}
        except OSError as error:
            if hasattr(self, "_scratch"):
                self._scratch.cleanup()
            raise map_os_error(error, str(path)) from error
        self._max_sample_bytes = 0
        self._objects: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for split in self._splits.values():
            split.close()
        self._scratch.cleanup()

    def add(self, sample: Sample, *, split: str) -> None:
        """Append a sample to a split."""
        try:
            self._splits[split].add(sample)
        except OSError as error:
            raise map_os_error(error, str(self._path)) from error
        self._max_sample_bytes = max(self._max_sample_bytes, sample.size_bytes)
        for span in sample.spans:
            self._objects[span.object] = span.object_bytes

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
    ) -> ManifestInfo:
        """Join the splits into the file, fingerprint it, put it in its place, and say what it holds."""
        for split in self._splits.values():
            split.close()
        digest = hashlib.sha256(msgspec.msgpack.encode((task, sorted(task_options.items()), source.uri)))
        described, first_row = [], 0
        for split in self._splits.values():
            digest.update(split.name.encode() + split.digest.digest())
            described.append(split.describe(first_row))
            first_row += split.num_samples
        info = ManifestInfo(
            task=task,
            task_options=dict(task_options),
            source=source,
            seed=seed,
            shape=tuple(shape),
            classes=tuple(classes),
            splits=tuple(described),
            num_objects=len(self._objects),
            object_bytes=sum(self._objects.values()),
            max_sample_bytes=self._max_sample_bytes,
            skipped=tuple(skipped),
            fingerprint=digest.hexdigest(),
            created_at=created_at,
            created_by=created_by,
        )
        with atomic_path(self._path) as temporary:
            self._join(temporary, info)
        return info

    def _join(self, target: Path, info: ManifestInfo) -> None:
        with pq.ParquetWriter(target, _SCHEMA, compression="zstd") as writer:
            for split in self._splits.values():
                with pq.ParquetFile(split.path) as rows:
                    for group in range(rows.num_row_groups):
                        writer.write_table(rows.read_row_group(group))
            writer.add_key_value_metadata({_METADATA_KEY: encode_record(info).decode()})


def _to_sample(row: dict[str, Any]) -> Sample:
    return msgspec.convert(row, Sample)


class ManifestReader:
    """Reads rows of a manifest by number or in order, keeping a bounded number of row groups in memory.

    Raises:
        RecordError: there is no such file, or it is not a manifest that this Penstock knows.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = pq.ParquetFile(path, memory_map=False)
        except (OSError, pa.ArrowInvalid) as error:
            raise RecordError(
                f"cannot read the manifest {path} ({error})",
                fix="make it with `penstock list`",
                about=str(path),
            ) from error
        metadata = self._file.schema_arrow.metadata or {}
        raw = (self._file.metadata.metadata or metadata).get(_METADATA_KEY.encode())
        if raw is None or not self._file.schema_arrow.equals(_SCHEMA):
            self._file.close()
            raise RecordError(f"{path} is not a manifest", fix="make it with `penstock list`", about=str(path))
        self.path = path
        self.info = decode_record(raw, ManifestInfo, origin=str(path))
        counts = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        self._ends: NDArray[np.int64] = np.cumsum(counts, dtype=np.int64)
        self._cache: OrderedDict[int, list[Sample]] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def row(self, number: int) -> Sample:
        """Give the sample of one row (0-based over all splits)."""
        group = int(np.searchsorted(self._ends, number, side="right"))
        start = int(self._ends[group - 1]) if group else 0
        return self._row_group(group)[number - start]

    def rows(self, split: str) -> Iterator[Sample]:
        """Give the samples of a split in order."""
        part = self.info.split(split)
        for number in range(part.first_row, part.first_row + part.num_samples):
            yield self.row(number)

    def _row_group(self, group: int) -> list[Sample]:
        cached = self._cache.get(group)
        if cached is None:
            cached = [_to_sample(row) for row in self._file.read_row_group(group).to_pylist()]
            self._cache[group] = cached
            if len(self._cache) > CACHED_ROW_GROUPS:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(group)
        return cached
