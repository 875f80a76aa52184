"""The messages of an Arrow IPC file, told by its footer, or of a stream, walked one after the other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from penstock.errors import HeaderMismatch, TruncatedObject
from penstock.formats.arrow.flat import BATCH, DICTIONARY, SCHEMA, Message, Place, read_footer, read_message
from penstock.formats.arrow.layout import count_of
from penstock.formats.magic import kind_of
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB

__all__ = ["Contents", "head_of", "lies", "read_contents"]

_MAGIC: Final = b"ARROW1"
_BEGIN_BYTES: Final = 8
_END_BYTES: Final = 4 + len(_MAGIC)
_GOES_ON: Final = b"\xff\xff\xff\xff"
_READ_BYTES: Final = 64 * KIB
_MOST_HEAD_BYTES: Final = 64 * MIB
_AT_ONCE: Final = 16
_MOST_ROWS: Final = 2**31 - 1
"""Of a batch, as Arrow's specification has it."""
_MOST_RATIO: Final = 1 << 15
"""Of a batch that is packed, unpacked to packed bytes; a buffer has 8 bytes at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What an object holds.

    Attributes:
        schema_message: its bytes, with prefix.
        batches: where each record batch lies, its head, and how many of the dictionaries come before it.
    """

    schema: pa.Schema
    schema_message: bytes
    dictionaries: list[Place]
    batches: list[tuple[Place, Message, int]]


async def read_contents(source: GetRange, info: ObjectInfo) -> Contents:
    """Read an object's schema, and the heads of its messages.

    Raises:
        HeaderMismatch: it is no Arrow IPC, or contradicts itself.
        TruncatedObject: it ends within a message.
    """
    begin = bytes(await source.get_range(info, 0, min(_READ_BYTES, info.size_bytes)))
    try:
        if begin.startswith(_MAGIC):
            return await _of_file(source, info, begin)
        if begin.startswith(_GOES_ON):
            return await _of_stream(source, info, begin)
    except (ValueError, pa.ArrowException, OSError) as error:
        raise lies(info, " ".join(str(error).split())[:300]) from error
    kind = "Feather of version 1" if begin.startswith(b"FEA1") else kind_of(begin)
    raise HeaderMismatch(
        f"{info.key} is no Arrow IPC: it begins {f'as {kind} does' if kind else f'with {begin[:8]!r}'}",
        fix="choose Arrow files with match, or write it again with pyarrow",
        about=info.key,
    )


async def _of_file(source: GetRange, info: ObjectInfo, begin: bytes) -> Contents:
    size = info.size_bytes
    first = max(0, size - _READ_BYTES)
    end = begin if len(begin) == size else bytes(await source.get_range(info, first, size - first))
    if size < _BEGIN_BYTES + _END_BYTES or not end.endswith(_MAGIC):
        raise TruncatedObject(
            f"{info.key} has {size} bytes and does not end as an Arrow file does",
            fix="the file was cut off: upload it again, or leave it out",
            about=info.key,
        )
    length = int.from_bytes(end[-_END_BYTES : -len(_MAGIC)], "little")
    if not 0 < length <= min(size - _BEGIN_BYTES - _END_BYTES, _MOST_HEAD_BYTES):
        raise ValueError(f"its footer is said to have {length} bytes, of {size} that the file has")
    if length + _END_BYTES > len(end):
        end = bytes(await source.get_range(info, size - length - _END_BYTES, length + _END_BYTES))
    dictionaries, batches = read_footer(end[-length - _END_BYTES : -_END_BYTES])
    for place in (*dictionaries, *batches):
        if place.offset + place.head_bytes + place.body_bytes > size or not 8 < place.head_bytes <= _MOST_HEAD_BYTES:
            raise ValueError(f"a message at byte {place.offset} of {place.head_bytes} and {place.body_bytes} bytes")
    message, length = await _head_at(source, info, _BEGIN_BYTES, begin, 0)
    heads: list[Message] = []
    for some in range(0, len(batches), _AT_ONCE):
        reading = (_batch_at(source, info, place, begin) for place in batches[some : some + _AT_ONCE])
        heads += await asyncio.gather(*reading)
    count = len(dictionaries)
    return _contents(message, dictionaries, [(place, head, count) for place, head in zip(batches, heads, strict=True)])


async def _batch_at(source: GetRange, info: ObjectInfo, place: Place, begin: bytes) -> Message:
    end = place.offset + place.head_bytes
    data = (
        begin[place.offset : end]
        if end <= len(begin)
        else bytes(await source.get_range(info, place.offset, place.head_bytes))
    )
    message = read_message(head_of(data))
    if message.kind != BATCH or message.body_bytes != place.body_bytes:
        raise ValueError(f"no record batch of {place.body_bytes} bytes at byte {place.offset}")
    return message


async def _of_stream(source: GetRange, info: ObjectInfo, begin: bytes) -> Contents:
    schema, length = await _head_at(source, info, 0, begin, 0)
    at, held, first = length, begin, 0
    dictionaries: list[Place] = []
    batches: list[tuple[Place, Message, int]] = []
    while at < info.size_bytes:
        if at + _READ_BYTES > first + len(held) and first + len(held) < info.size_bytes:
            held = bytes(await source.get_range(info, at, min(_READ_BYTES, info.size_bytes - at)))
            first = at
        head, length = await _head_at(source, info, at, held, first)
        if not head:
            break
        message = read_message(head_of(head))
        place = Place(at, length, message.body_bytes)
        at += length + message.body_bytes
        if at > info.size_bytes:
            raise _cut_off(info, place.offset)
        if message.kind == DICTIONARY:
            dictionaries.append(place)
        elif message.kind == BATCH:
            batches.append((place, message, len(dictionaries)))
        else:
            raise ValueError(f"a second schema at byte {place.offset}")
    return _contents(schema, dictionaries, batches)


async def _head_at(source: GetRange, info: ObjectInfo, at: int, held: bytes, first: int) -> tuple[bytes, int]:
    """Return the head of the message at a place, and its length with its prefix; nothing at the end of a stream."""
    prefix = held[at - first : at - first + 8]
    if len(prefix) < 8 and first + len(held) < info.size_bytes:
        prefix = bytes(await source.get_range(info, at, min(8, info.size_bytes - at)))
    length = int.from_bytes(prefix[4:8], "little") + 8
    if prefix[:4] != _GOES_ON or len(prefix) < 8 or length > _MOST_HEAD_BYTES:
        raise ValueError(f"no message at byte {at}")
    if length == 8:
        return b"", 8
    if at + length > info.size_bytes:
        raise _cut_off(info, at)
    head = held[at - first : at - first + length]
    return head if len(head) == length else bytes(await source.get_range(info, at, length)), length


def head_of(data: bytes) -> bytes:
    """Return a message's head without its prefix.

    Raises:
        ValueError: it has none.
    """
    if not data.startswith(_GOES_ON) or int.from_bytes(data[4:8], "little") > len(data) - 8:
        raise ValueError("no message")
    return data[8:]


def _contents(message: bytes, dictionaries: list[Place], batches: list[tuple[Place, Message, int]]) -> Contents:
    if read_message(head_of(message)).kind != SCHEMA:
        raise ValueError("no schema before its messages")
    schema = pa.ipc.read_schema(pa.py_buffer(message))
    for field in schema:
        _check_names(field)
    for place, head, _ in batches:
        _check_rows(schema, place, head)
    return Contents(schema=schema, schema_message=message, dictionaries=dictionaries, batches=batches)


def _cut_off(info: ObjectInfo, offset: int) -> TruncatedObject:
    return TruncatedObject(
        f"{info.key} has {info.size_bytes} bytes and ends within the message at byte {offset}",
        fix="the file was cut off: upload it again, or leave it out",
        about=info.key,
    )


def _check_names(field: pa.Field) -> None:
    """Decode the names of a field and of those in it.

    Raises:
        ValueError: one is no text.
    """
    assert isinstance(field.name, str)
    for number in range(field.type.num_fields):
        _check_names(field.type.field(number))


def _check_rows(schema: pa.Schema, place: Place, head: Message) -> None:
    """Refuse a batch of more rows than its bytes could hold, or than a batch may have.

    Raises:
        ValueError: it is one.
    """
    batch = head.batch
    assert batch is not None
    most = _MOST_ROWS
    if any(count_of(field.type) != 0 for field in schema):
        # A truth value takes a bit; what is packed by LZ4 or Zstandard takes some thousandth at best.
        most = min(most, 8 * head.body_bytes * (_MOST_RATIO if batch.is_packed else 1))
    if batch.num_rows > most:
        raise ValueError(f"a record batch of {batch.num_rows} rows in {head.body_bytes} bytes at byte {place.offset}")


def lies(info: ObjectInfo, what: str) -> HeaderMismatch:
    """Make the error of an object that is not what it should be."""
    return HeaderMismatch(
        f"{info.key} is no Arrow IPC that can be read: {what}",
        fix="the file is damaged: write it again, or leave it out",
        about=info.key,
    )
