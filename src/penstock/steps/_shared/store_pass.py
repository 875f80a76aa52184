"""The pass that fills a store of samples: the source is read once, what is decoded is put into shards."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from penstock import __version__
from penstock.errors import ConfigError, PenstockError
from penstock.files import atomic_write
from penstock.manifest import SPLITS, ManifestInfo, ManifestReader, ManifestWriter, SkippedObject, SourceSpec, Span
from penstock.manifest.listed import Listed, read_listed
from penstock.observe import open_progress
from penstock.options.window import BadMode, WindowOptions
from penstock.plan import make_order
from penstock.records import Meters, StepRecord, StreamSpec, write_record
from penstock.sources import ObjectInfo, locate, open_source, read_meter_files
from penstock.steps._shared import common
from penstock.steps._shared.metering import Metering
from penstock.steps._shared.storing import SampleStore, ShardRecord, StoredRow
from penstock.steps._shared.window import ServedWindow, served_window
from penstock.tasks.protocols import Task, Transforms
from penstock.tasks.registry import get_task, usual_options
from penstock.tasks.stored import Stores, codec_of, encode_values
from penstock.units import MIB
from penstock.window import ExtentSkipped, WindowExtent, WindowReader
from penstock.window.life import patience_of

__all__ = ["NAME", "fill_store"]

NAME: Final = "pack"
SHARD_BYTES: Final = 64 * MIB
ALIGNMENT_BYTES: Final = 64


def fill_store(
    store: SampleStore,
    manifest: Path,
    plan: Path,
    args: WindowOptions,
    *,
    on_bad_sample: BadMode,
    record: Path,
    most_requests: int | None = None,
) -> None:
    """Store what is not stored yet, and write what that took.

    Args:
        on_bad_sample: ``skip`` leaves out extents that cannot be had or decoded, and names them.
        record: where to tell it.
        most_requests: that may be made, those of earlier attempts included; None sets no bound.

    Raises:
        BudgetSpent: they were made.
        ConfigError: the folder is the store of another listing, or the dataset is a mix.
        PenstockError: it could not be read, decoded or written.
    """
    listed = read_listed(manifest, plan)
    if listed.plan.mixing is not None:
        raise ConfigError("--mode preprocess, and the dataset is a mix", fix="store and train each alone, or stream it")
    store.claim(listed)
    if store.is_whole() and _is_current(store):
        return
    started_at, started = common.now(), time.monotonic()
    metering = Metering(folder=args.meters, owner=f"{NAME}/", is_remote=False, most_requests=lambda: most_requests)
    with metering.open(args.window) as counts, served_window(args, metering) as window:
        meters = _Pass(store, listed, on_bad_sample=on_bad_sample).run(window, metering)
        meters = meters.plus(metering.total(counts, read_meter_files(window.meters, metering.owner)))
    info = _write_manifest(store, listed)
    told = StepRecord(
        step=NAME,
        started_at=started_at,
        wall_seconds=time.monotonic() - started,
        host=common.host_without_device(),
        meters=meters,
        details={
            "samples": float(info.num_samples),
            "stored_bytes": float(info.object_bytes),
            "disk_bytes": float(store.used_bytes),
        },
    )
    write_record(record, told)
    # Last: a store with a plan is done.
    write_record(store.plan, msgspec.structs.replace(listed.plan, manifest_fingerprint=info.fingerprint))


class _Touched(BaseException):
    """Chance was asked for. No ``Exception``: a transform that maps its errors lets it through."""


class _Chance:
    """Stands for a generator, and tells when anything is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise _Touched


class _Pass:
    """Reads extents in the manifest's order, and writes shards of what is to be stored of each."""

    def __init__(self, store: SampleStore, listed: Listed, *, on_bad_sample: BadMode) -> None:
        self._store, self._listed, self._on_bad_sample = store, listed, on_bad_sample
        self._task = get_task(listed.info.task)
        done = list(store.shards())
        self._number = len(done)
        self._first = sum(len(record.rows) for record in done)
        train = next((split for split in listed.info.splits if split.name == "train"), None)
        self._trained = range(0) if train is None else range(train.first_row, train.first_row + train.num_extents)
        self._parts: list[bytes] = []
        self._rows: list[StoredRow] = []
        self._num_bytes = 0

    def run(self, window: ServedWindow, metering: Metering) -> Meters:
        """Do what is left."""
        info = self._listed.info
        spec = self._spec(window, metering)
        reader = WindowReader(
            window.folder,
            spec,
            timeout_seconds=window.timeout_seconds,
            lost=window.prefetcher.error if window.prefetcher is not None else lambda: None,
        ).begin()
        try:
            with open_progress().stage(NAME, info.num_extents, "extents") as stage:
                stage.advance(self._first)
                for index in range(self._first, info.num_extents):
                    self._add(self._stored(reader, index))
                    reader.advance(index + 1)
                    stage.advance(1)
                self._end_shard()
            return reader.meters().without_traffic()
        finally:
            reader.close()

    def _spec(self, window: ServedWindow, metering: Metering) -> StreamSpec:
        info, plan = self._listed.info, self._listed.plan
        there = [name for name in SPLITS if any(split.name == name and split.num_samples for split in info.splits)]
        return StreamSpec(
            session=uuid.uuid4().hex,
            manifest=str(window.place(self._listed.manifest)),
            manifest_fingerprint=info.fingerprint,
            plan_fingerprint=plan.fingerprint,
            order=make_order(info, plan, [(name, False) for name in there]),
            first_index=self._first,
            end_index=info.num_extents,
            num_ranks=1,
            batch_extents=1,
            num_files=0,
            on_bad_sample=self._on_bad_sample,
            owner=metering.owner,
            purpose="data",
            patience_seconds=patience_of(window.timeout_seconds),
            most_requests=metering.most_requests(),
        )

    def _stored(self, reader: WindowReader, row: int) -> tuple[str, bytes] | PenstockError:
        """Return the codec and the bytes of what is stored of an extent; its error where it is left out."""
        try:
            extent = reader.get(row)
            return stored_of(self._task, extent, is_trained=row in self._trained)
        except ExtentSkipped as skipped:
            return skipped.error
        except PenstockError as error:
            if self._on_bad_sample == "skip" and error.skippable:
                return error
            raise

    def _add(self, stored: tuple[str, bytes] | PenstockError) -> None:
        if isinstance(stored, PenstockError):
            self._rows.append(StoredRow(offset=0, length_bytes=0, codec="", left_out=str(stored)))
            return
        codec, data = stored
        self._rows.append(StoredRow(offset=self._num_bytes, length_bytes=len(data), codec=codec))
        padding = -len(data) % ALIGNMENT_BYTES
        self._parts += [data, bytes(padding)]
        self._num_bytes += len(data) + padding
        if self._num_bytes >= SHARD_BYTES:
            self._end_shard()

    def _end_shard(self) -> None:
        if not self._rows:
            return
        atomic_write(self._store.shard(self._number), b"".join(self._parts))
        record = ShardRecord(num_bytes=self._num_bytes, rows=tuple(self._rows))
        write_record(self._store.record(self._number), record)
        self._number += 1
        self._parts, self._rows, self._num_bytes = [], [], 0


def stored_of(task: Task, extent: WindowExtent, *, is_trained: bool) -> tuple[str, bytes]:
    """Return the codec and the bytes of what is stored of an extent.

    Args:
        is_trained: whether chance takes part in what becomes of its samples.

    Raises:
        DataError: it cannot be decoded.
    """
    meta = extent.meta
    values = task.decode(extent.data, meta, extent.codec, np.arange(meta.num_samples))
    key_of = getattr(values, "key_of", None)
    names = [key_of(at) for at in range(len(values))] if key_of is not None else []
    opened = [values[at] for at in range(len(values))]
    finished = _finished(task, opened, is_trained=is_trained)
    if finished is not None and (data := encode_values(finished, names)) is not None:
        return codec_of("finished", extent.codec), data
    trees = [task.to_store(value) for value in opened] if isinstance(task, Stores) else opened
    if (data := encode_values(trees, names)) is not None:
        return codec_of("opened", extent.codec), data
    return extent.codec, bytes(extent.data)


def _finished(task: Task, opened: Sequence[Any], *, is_trained: bool) -> list[Any] | None:
    """Return samples as they go into a batch; None where chance takes part in what becomes of them."""
    if not isinstance(task, Transforms):
        return list(opened)
    made = [task.transform(value, None) for value in opened]
    if not is_trained:
        return made
    chance: Any = _Chance()
    try:
        trained = [task.transform(value, chance) for value in opened]
    except _Touched:
        return None
    return made if all(map(_is_same, made, trained)) else None


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, np.ndarray | np.generic) and isinstance(other, np.ndarray | np.generic):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes() and one.shape == other.shape
    return type(one) is type(other) and bool(one == other or (one != one and other != other))


def _write_manifest(store: SampleStore, listed: Listed) -> ManifestInfo:
    """Write the manifest of what is stored: the listing's rows in their order, but where they lie."""
    info = listed.info
    source = locate(SourceSpec.of(str(store.folder)))
    skipped = list(info.skipped)
    with ManifestReader(listed.manifest) as rows, ManifestWriter(store.manifest) as writer:
        row = 0
        for number, shard in enumerate(store.shards()):
            found = _object(source, store.shard(number))
            for stored in shard.rows:
                extent, split = rows.row(row), _split_of(info, row)
                row += 1
                if stored.left_out:
                    skipped.append(SkippedObject(object=extent.key, reason=stored.left_out))
                    continue
                span = Span(
                    object=found.key,
                    version=found.version,
                    object_bytes=found.size_bytes,
                    offset=stored.offset,
                    length_bytes=stored.length_bytes,
                )
                writer.add(msgspec.structs.replace(extent, spans=(span,), codec=stored.codec), split=split)
        return writer.finish(
            task=info.task,
            task_options=info.task_options,
            source=source,
            seed=info.seed,
            shape=info.shape,
            classes=info.classes,
            skipped=skipped,
            created_at=common.now(),
            created_by=f"penstock {__version__}",
            fractions=info.fractions,
            split_by=info.split_by,
            notes=(*info.notes, f"samples of {info.source.uri}, decoded once and stored"),
            values_sha256=info.values,
            transform=info.transform,
            stored_from=info.source,
            storage_classes=info.storage_classes,
            usual=usual_options(get_task(info.task)),
        )


def _is_current(store: SampleStore) -> bool:
    """Tell whether shards have the versions that the manifest tells: files that were copied or restored have others."""
    source = locate(SourceSpec.of(str(store.folder)))
    with ManifestReader(store.manifest) as rows:
        row = 0
        for number, shard in enumerate(store.shards()):
            num_rows = sum(not stored.left_out for stored in shard.rows)
            if num_rows and rows.row(row).spans[0].version != _object(source, store.shard(number)).version:
                return False
            row += num_rows
    return True


def _split_of(info: ManifestInfo, row: int) -> str:
    return next(split.name for split in info.splits if 0 <= row - split.first_row < split.num_extents)


def _object(source: SourceSpec, path: Path) -> ObjectInfo:
    """Return a shard as the source of local files has it."""
    opened = open_source(source)
    try:
        found = asyncio.run(opened.find(path.name))
    finally:
        opened.close()
    assert found is not None, path
    return found
