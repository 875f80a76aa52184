"""What is known of a shard that is there whole, and verified."""

from __future__ import annotations

import msgspec

from penstock.errors import ConfigError, ObjectNotFound
from penstock.sources import Blobs
from penstock.units import MIB

__all__ = ["RECORDS", "ShardRecord", "read_record", "shard_name", "write_record"]

RECORDS = "_pack"
"""Folder of the records."""
_MOST_BYTES = 16 * MIB


class ShardRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A shard.

    Attributes:
        made_of: fingerprint of the samples that it is of, and of how they are written.
        content: fingerprint of its samples, before they were written and as they were read back.
        schema: what it has in common with all others, as its layout has it; empty where that is nothing.
        raw_bytes: that it takes unpacked; 0 in records of releases that did not tell.
        source_bytes: that its samples were read from, by ``source_requests`` requests at least.
    """

    name: str
    first_sample: int
    num_samples: int
    num_bytes: int
    made_of: str
    content: str
    source_bytes: int
    source_requests: int
    schema: str = ""
    raw_bytes: int = 0


def shard_name(number: int, extension: str) -> str:
    """Return the name of a shard."""
    return f"shard-{number:06}.{extension}"


def read_record(place: Blobs, number: int) -> ShardRecord | None:
    """Return the record of a shard that was finished, None where there is none.

    Raises:
        ConfigError: it is none of Penstock's.
        SourceError: it could not be read.
    """
    name = _name(number)
    try:
        data = place.read(name, most_bytes=_MOST_BYTES)
    except ObjectNotFound:
        return None
    try:
        return msgspec.json.decode(data, type=ShardRecord)
    except msgspec.DecodeError as error:
        where = place.locate(name)
        raise ConfigError(f"{where} is no record of a shard", fix="choose another folder", about=where) from error


def write_record(place: Blobs, number: int, record: ShardRecord) -> None:
    """Write the record of a shard that is there whole.

    Raises:
        OutputError: it could not be written.
    """
    place.write(_name(number), msgspec.json.encode(record))


def _name(number: int) -> str:
    return f"{RECORDS}/shard-{number:06}.json"
