"""Shards in their place: what is there already, what is written, and that it is what was to be written."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import ConfigError, DataError, OutputError
from penstock.formats.registry import open_format
from penstock.inspection.budget import InMemory
from penstock.manifest import Extent
from penstock.sharding.digests import digest_of
from penstock.sharding.layouts import Layout
from penstock.sharding.mds import INDEX, index_of
from penstock.sharding.records import ShardRecord, read_record, write_record
from penstock.sources import Blobs, ObjectInfo, ObjectSource

__all__ = ["Place", "check_index", "check_ours", "check_same", "content_of", "write_index", "write_shard"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where shards are written; ``there`` is the same as a source, which tells whether one lies there."""

    blobs: Blobs
    there: ObjectSource


async def check_index(place: Place) -> None:
    """Refuse to write over an index of shards that are not ours.

    Raises:
        ConfigError: there is one.
    """
    if await place.there.find(INDEX) is None or await asyncio.to_thread(read_record, place.blobs, 0) is not None:
        return
    where = place.blobs.locate(INDEX)
    raise ConfigError(
        f"{where} is there, of shards that were not packed here", fix="choose another folder", about=where
    )


async def write_index(place: Place, made_of: Sequence[str]) -> bool:
    """Write what tells of all shards, if all are there: whichever part is the last to finish finds them.

    Raises:
        ConfigError: another part is of other samples.
    """
    records = []
    for number, fingerprint in enumerate(made_of):
        record = await asyncio.to_thread(read_record, place.blobs, number)
        if record is None:
            return False
        check_same(place.blobs, record, fingerprint)
        records.append(record)
    await asyncio.to_thread(place.blobs.write, INDEX, index_of(records))
    return True


def check_same(place: Blobs, record: ShardRecord, made_of: str) -> None:
    """Refuse a shard that is of something else.

    Raises:
        ConfigError: it is.
    """
    if record.made_of != made_of:
        where = place.locate(record.name)
        raise ConfigError(
            f"{where} is of other samples, or was packed by other options",
            fix="choose another folder, or remove all that lies there (the dataset may have changed)",
            about=where,
        )


async def check_ours(place: Place, name: str, data: bytes) -> None:
    """Refuse to write over what is there and no record tells of, unless it is the same: one that was stopped left it.

    Raises:
        ConfigError: it is something else.
    """
    found = await place.there.find(name)
    if found is None:
        return
    if found.size_bytes == len(data) and await asyncio.to_thread(place.blobs.read, name, most_bytes=len(data)) == data:
        return
    where = place.blobs.locate(name)
    raise ConfigError(
        f"{where} is there, and is none that was packed: nothing tells of it",
        fix="choose another folder, or remove it",
        about=where,
    )


async def write_shard(place: Blobs, layout: Layout, number: int, data: bytes, record: ShardRecord) -> None:
    """Write a shard that its own format reads, and compare what lies there then; only then its record is written.

    Raises:
        ConfigError: its format refuses it, being too large for one; nothing is written.
        OutputError: it could not be written, or is not what was written, and was removed.
    """
    name, where = record.name, place.locate(record.name)
    if await _content(data, name, layout) != record.content:
        raise OutputError(f"{where} would not hold the samples that it is made of", fix="tell us", about=where)
    await asyncio.to_thread(place.write, name, data)
    if await asyncio.to_thread(place.read, name, most_bytes=len(data)) != data:
        await asyncio.to_thread(place.delete, name)
        raise OutputError(
            f"{where} does not hold the samples that were written to it, and was removed",
            fix="run the same command again; if it happens again, look at what lies between",
            about=where,
        )
    await asyncio.to_thread(write_record, place, number, record)


async def _content(data: bytes, name: str, layout: Layout) -> str:
    """Return the fingerprint of a shard's samples, as Penstock's own format reads them."""
    kind, info = open_format(layout.format, layout.options), ObjectInfo(key=name, size_bytes=len(data), version="")
    digests = []
    try:
        async for extent in kind.index(InMemory(data), info):
            if isinstance(extent, Extent):
                parts = b"".join(data[span.offset : span.offset + span.length_bytes] for span in extent.spans)
                rows = kind.decode(parts, extent, extent.codec, np.arange(extent.num_samples))
                digests += [digest_of(layout.fields_back(rows[number])) for number in range(len(rows))]
    except DataError as error:
        raise ConfigError(
            f"{name} could not be read again, and was not written: {error.what}",
            fix="give a smaller --shard-size, or pack to another kind of shards",
        ) from error
    return _joined(digests)


def content_of(samples: Iterable[Mapping[str, Any]]) -> str:
    """Return what names the fields of samples exactly, in their order."""
    return _joined(list(map(digest_of, samples)))


def _joined(digests: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(digests)).hexdigest()
