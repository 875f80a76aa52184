"""Packing: shards of one part are read, written, read back and compared, one after another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import ConfigError
from penstock.formats.protocols import Format
from penstock.formats.registry import open_format
from penstock.formats.sample_names import KEY, split_name
from penstock.inspection.advice import requests_of
from penstock.manifest import Extent, Span
from penstock.sharding.cutting import Shard, Unit, cut_shards
from penstock.sharding.layouts import Layout
from penstock.sharding.records import ShardRecord, read_record, shard_name
from penstock.sharding.writing import Place, check_index, check_ours, check_same, content_of, write_index, write_shard
from penstock.sources import ObjectInfo, ObjectSource

__all__ = ["Asked", "Done", "Packed", "pack"]

AT_ONCE = 16
"""Extents that are read at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """How a dataset is packed.

    Attributes:
        layout: how shards are written.
        format: that reads the dataset, with these options.
        part: which of ``num_parts`` this is, from 0: it makes every shard whose number leaves that remainder.
        settings: all that the samples depend on beside the dataset, as text.
        change: makes another value of each; None takes them as they are.
    """

    layout: Layout
    format: str
    options: Mapping[str, Any]
    shard_bytes: int
    part: int
    num_parts: int
    settings: str
    change: Callable[[Any], Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A shard of this part that is there; ``is_new`` tells that it was made now."""

    record: ShardRecord
    is_new: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """What is known once a part is done.

    Attributes:
        num_shards: of the whole dataset.
        has_index: whether what tells of all shards was written; None where these have none.
    """

    num_shards: int
    has_index: bool | None


async def pack(
    extents: AsyncIterator[Extent],
    source: ObjectSource,
    place: Place,
    asked: Asked,
    tell: Callable[[Done], None],
) -> Packed:
    """Make the shards of a part that are not there yet.

    Raises:
        ConfigError: the place holds shards of something else, or the layout cannot hold the samples.
        DataError, SourceError: the samples could not be read.
        OutputError: a shard could not be written, or is not what was written.
    """
    packer = _Packer(source=source, place=place, asked=asked, kind=open_format(asked.format, asked.options))
    made_of: list[str] = []
    if asked.layout.format == "mds":
        await check_index(place)
    async for shard in cut_shards(extents, size_bytes=asked.shard_bytes, own_names=packer.has_names):
        made_of.append(shard.fingerprint(asked.settings))
        if not shard.number:
            packer.first = shard
        if shard.number % asked.num_parts == asked.part:
            tell(await packer.make(shard, made_of[-1]))
    has_index = await write_index(place, made_of) if asked.layout.format == "mds" and made_of else None
    return Packed(num_shards=len(made_of), has_index=has_index)


@dataclass(kw_only=True, slots=True)
class _Packer:
    """Makes shards.

    Attributes:
        first: shard of the dataset, whose samples all others are like.
    """

    source: ObjectSource
    place: Place
    asked: Asked
    kind: Format
    first: Shard | None = None
    _schema: str | None = None

    @property
    def has_names(self) -> bool:
        """Whether each extent is an object, whose name tells of which sample it is."""
        return self.asked.format == "objects"

    async def make(self, shard: Shard, made_of: str) -> Done:
        """Make a shard, if it is not there."""
        there = await _there(self.place, shard.number, made_of)
        if there.record is not None and there.is_whole:
            self._schema = there.record.schema
            return Done(record=there.record, is_new=False)
        samples = await self._samples(shard)
        data, record = await self._encoded(shard, samples, made_of)
        if there.record is None:
            await check_ours(self.place, record.name, data)
        await write_shard(self.place.blobs, self.asked.layout, shard.number, data, record)
        return Done(record=record, is_new=True)

    async def _encoded(
        self, shard: Shard, samples: Sequence[tuple[str, Any]], made_of: str
    ) -> tuple[bytes, ShardRecord]:
        """Return a shard's bytes, and its record."""
        layout, schema = self.asked.layout, await self._of_all(samples)
        data, raw_bytes = await asyncio.to_thread(layout.encode, samples, schema)
        extents = [extent for unit in shard.units for extent in unit.extents]
        return data, ShardRecord(
            name=shard_name(shard.number, layout.extension),
            first_sample=shard.first_sample,
            num_samples=len(samples),
            num_bytes=len(data),
            made_of=made_of,
            content=content_of([fields for _, fields in samples]),
            source_bytes=sum(extent.size_bytes for extent in extents),
            source_requests=requests_of(list(_by_object(extents).values())),
            schema=schema,
            raw_bytes=raw_bytes,
        )

    async def _of_all(self, samples: Sequence[tuple[str, Any]]) -> str:
        """Return the schema of the first shard, which another part may have made."""
        if self._schema is None:
            assert self.first is not None
            if self.asked.part:
                there = await asyncio.to_thread(read_record, self.place.blobs, 0)
                is_ours = there is not None and there.made_of == self.first.fingerprint(self.asked.settings)
                if there is not None and is_ours:
                    self._schema = there.schema
                    return self._schema
                if self.asked.layout.needs_schema:
                    samples = await self._samples(self.first)
            self._schema = self.asked.layout.schema_of(samples)
        return self._schema

    async def _samples(self, shard: Shard) -> list[tuple[str, Any]]:
        """Return the names and fields of a shard's samples."""
        turns = asyncio.Semaphore(AT_ONCE)
        extents = [extent for unit in shard.units for extent in unit.extents]
        tasks = [asyncio.ensure_future(_read(self.source, extent, turns)) for extent in extents]
        found: list[tuple[str, Any]] = []
        try:
            waiting = iter(tasks)
            for unit in shard.units:
                parts = [(extent, await next(waiting)) for extent in unit.extents]
                for sample in _of_unit(unit, parts, self.kind, self.asked.change, is_named=self.has_names):
                    name = unit.name or f"{shard.first_sample + len(found):010}"
                    found.append((name, self.asked.layout.fields_of(sample, name)))
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _There:
    """What lies at the place of a shard; ``is_whole`` where it is as long as the record tells."""

    record: ShardRecord | None
    is_whole: bool = False


async def _there(place: Place, number: int, made_of: str) -> _There:
    """Look for the record of a shard, and for the shard."""
    record = await asyncio.to_thread(read_record, place.blobs, number)
    if record is None:
        return _There(record=None)
    check_same(place.blobs, record, made_of)
    found = await place.there.find(record.name)
    return _There(record=record, is_whole=found is not None and found.size_bytes == record.num_bytes)


async def _read(source: ObjectSource, extent: Extent, turns: asyncio.Semaphore) -> bytes:
    async with turns:
        parts = [await source.get_range(_info(span), span.offset, span.length_bytes) for span in extent.spans]
    return b"".join(parts)


def _info(span: Span) -> ObjectInfo:
    return ObjectInfo(key=span.object, size_bytes=span.object_bytes, version=span.version, validator=span.validator)


def _of_unit(
    unit: Unit,
    parts: Sequence[tuple[Extent, bytes]],
    kind: Format,
    change: Callable[[Any], Any] | None,
    *,
    is_named: bool,
) -> list[dict[str, Any]]:
    """Return the samples of a unit."""
    if unit.name:
        return [{KEY: unit.name, **_of_files(parts)}]
    samples: list[dict[str, Any]] = []
    for extent, data in parts:
        rows = kind.decode(data, extent, extent.codec, np.arange(extent.num_samples))
        values = [rows[number] if change is None else change(rows[number]) for number in range(len(rows))]
        own = {KEY: extent.key} if is_named else {}
        samples += [own | (dict(value) if isinstance(value, Mapping) else {_usual(value): value}) for value in values]
    return samples


def _of_files(parts: Sequence[tuple[Extent, bytes]]) -> dict[str, Any]:
    """Return a sample of files, by their extensions."""
    fields: dict[str, Any] = {}
    for extent, data in parts:
        field = (split_name(extent.key) or ("", ""))[1]
        if field in fields:
            raise ConfigError(
                f"{extent.key} and another object differ in capitals of their extensions alone",
                fix="rename one of them, or leave it out by match",
                about=extent.key,
            )
        fields[field] = data
    return fields


def _usual(value: Any) -> str:
    """Name a value that has no fields."""
    return "txt" if isinstance(value, str) else "bin" if isinstance(value, bytes) else "value"


def _by_object(extents: Sequence[Extent]) -> dict[str, int]:
    """Return the bytes that are read of each object: neighbours are read by one request."""
    found: dict[str, int] = {}
    for extent in extents:
        for span in extent.spans:
            found[span.object] = found.get(span.object, 0) + span.length_bytes
    return found
