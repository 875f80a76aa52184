"""The format of Arrow IPC files and streams, which Feather's are."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.arrow.flat import Batch, Message, Place, read_message
from penstock.formats.arrow.layout import column_buffers, least_bytes, wanted_ranges
from penstock.formats.arrow.messages import Contents, head_of, lies, read_contents
from penstock.formats.codec import Codec
from penstock.formats.group_text import column_groups
from penstock.formats.options import column_of, names_of, size_of
from penstock.formats.protocols import ByObject, Found
from penstock.formats.rows import block_rows
from penstock.formats.values import Rows, some_rows
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, SkippedObject, Span
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import GIB, format_bytes

__all__ = ["Arrow"]

_SHOWN: Final = 20
"""Names that an error lists."""
_UNREADABLE: Final = (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError, MemoryError, IndexError)


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an extent is read by.

    Attributes:
        schema: its message, in base 64.
        dictionaries: lengths of the messages that come before the batch.
        head: bytes of the batch's head, with its prefix.
        wanted: numbers of the columns that are read, ascending.
    """

    kind: ClassVar[str] = "Arrow files"

    schema: str
    dictionaries: tuple[int, ...]
    head: int
    wanted: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrow:
    """The format of Arrow IPC.

    Attributes:
        columns: names of those that are read; None is all.
        memory: that a record batch's chosen columns may take unpacked, like ``"2Gi"``.
        group_by: name of the column whose value is each row's group, by which rows may be split. It is read whole to
            list a file. None tells no groups.

    Raises:
        ConfigError: an option cannot be used.
    """

    by_object: ClassVar[ByObject] = "little"
    table_endings: ClassVar[tuple[str, ...]] = ("arrow", "feather", "ipc")

    columns: Sequence[str] | None = None
    memory: str | int = 2 * GIB
    group_by: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", names_of("columns", self.columns))
        object.__setattr__(self, "memory", size_of("memory", self.memory))
        column_of("group_by", self.group_by)

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a record batch; footer and heads alone are read, and the column that rows are grouped by."""
        found = await read_contents(source, info)
        wanted = _wanted(found.schema, self.columns, info)
        by = None if self.group_by is None else Arrow(columns=[self.group_by], memory=self.memory)
        keys = [] if by is None else _wanted(found.schema, by.columns, info)
        has_rows = False
        for number, (place, message, num_dictionaries) in enumerate(found.batches):
            assert message.batch is not None
            if not message.batch.num_rows:
                continue
            has_rows = True
            dictionaries = found.dictionaries[:num_dictionaries]
            extent = self._extent(info, found, number, place, message, dictionaries, wanted)
            if by is not None:
                column = by._extent(info, found, number, place, message, dictionaries, keys)
                extent = await _grouped(extent, by, column, source, info)
            yield extent
        if not has_rows:
            yield SkippedObject(object=info.key, reason="has no rows")

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return rows as dictionaries by column, each made when it is asked for."""
        told = _Codec.read(codec)
        try:
            table = _read(bytes_of(data), told, size_of("memory", self.memory))
            if not about.args and table.num_rows != about.num_samples:
                raise ValueError(f"it has {table.num_rows} rows, not {about.num_samples}")
        except _UNREADABLE as error:
            raise DataError(
                f"the rows of {about.key} cannot be read: {' '.join(str(error).split())[:300]}",
                fix="write the file again, or leave it out",
                about=about.key,
            ) from error
        table = some_rows(table, block_rows(about, numbers))
        return Rows(table if self.columns is None else table.select(list(self.columns)))

    def _extent(
        self,
        info: ObjectInfo,
        found: Contents,
        number: int,
        place: Place,
        message: Message,
        dictionaries: Sequence[Place],
        wanted: Sequence[int],
    ) -> Extent:
        batch = message.batch
        assert batch is not None
        try:
            ranges = wanted_ranges(batch, column_buffers(found.schema), wanted, message.body_bytes)
        except ValueError as error:
            raise lies(info, f"record batch {number} has {error}") from error
        memory = size_of("memory", self.memory)
        num_bytes = sum(map(len, ranges)) + sum(each.body_bytes for each in dictionaries)
        num_bytes = max(num_bytes, least_bytes(found.schema, wanted, batch.num_rows))
        if num_bytes > memory:
            raise DataError(
                f"record batch {number} of {info.key} takes {format_bytes(num_bytes)}, more than "
                f"memory={format_bytes(memory)}",
                fix="choose fewer columns, give more memory, or write the file again with smaller batches",
                about=info.key,
            )
        body = place.offset + place.head_bytes
        lying = [(each.offset, each.head_bytes + each.body_bytes) for each in dictionaries]
        lying += [(place.offset, place.head_bytes)] + [(body + each.start, len(each)) for each in ranges]
        codec = _Codec(
            schema=base64.b64encode(found.schema_message).decode(),
            dictionaries=tuple(each.head_bytes + each.body_bytes for each in dictionaries),
            head=place.head_bytes,
            wanted=tuple(wanted),
        ).encode()
        return Extent(
            key=f"{info.key}/{number}",
            group=info.key,
            spans=_spans(info, lying),
            codec=codec,
            num_samples=batch.num_rows,
            decoded_bytes=num_bytes,
        )


def _spans(info: ObjectInfo, lying: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """Return spans of runs of bytes, those that touch as one."""
    found: list[tuple[int, int]] = []
    for offset, length in lying:
        if found and sum(found[-1]) == offset:
            found[-1] = (found[-1][0], found[-1][1] + length)
        else:
            found.append((offset, length))
    return tuple(info.span(offset, length) for offset, length in found)


def _wanted(schema: pa.Schema, columns: Sequence[str] | None, info: ObjectInfo) -> list[int]:
    """Return the numbers of the columns that are read.

    Raises:
        ConfigError: one that was asked for is not there.
        HeaderMismatch: two have one name.
    """
    names: list[str] = schema.names
    wrong = next((name for name in columns or () if name not in names), None)
    if wrong is not None:
        raise ConfigError(
            f"{info.key} has no column {wrong!r}",
            fix=f"{did_you_mean(wrong, names)}its columns are: {', '.join(names[:_SHOWN])}",
        )
    asked = names if columns is None else list(columns)
    twice = next((name for name in asked if names.count(name) > 1), None)
    if twice is not None:
        raise lies(info, f"it has two columns {twice!r}")
    return sorted(names.index(name) for name in asked)


def _read(data: bytes, told: _Codec, memory: int) -> pa.Table:
    """Return the rows of an extent.

    Raises:
        _UNREADABLE: they cannot be read.
    """
    begin = sum(told.dictionaries)
    head = data[begin : begin + told.head]
    message = read_message(head_of(head))
    if message.batch is None or message.body_bytes > 1 << 40:
        raise ValueError("no record batch")
    schema_message = base64.b64decode(told.schema)
    schema = pa.ipc.read_schema(pa.py_buffer(schema_message))
    columns = column_buffers(schema)
    ranges = wanted_ranges(message.batch, columns, told.wanted, message.body_bytes)
    if begin + told.head + sum(map(len, ranges)) != len(data):
        raise ValueError(f"{len(data)} bytes, not those that were listed")
    # What is not wanted stays zeros, which the system gives no memory for.
    before = len(schema_message) + begin + told.head
    stream = np.zeros(before + message.body_bytes, np.uint8)
    stream[:before] = np.frombuffer(b"".join((schema_message, data[:begin], head)), np.uint8)
    body, at = stream[before:], begin + told.head
    for each in ranges:
        body[each.start : each.stop] = np.frombuffer(data, np.uint8, len(each), at)
        at += len(each)
    _check_unpacked(message.batch, body, columns, told.wanted, memory)
    options = pa.ipc.IpcReadOptions(included_fields=list(told.wanted), use_threads=False)
    table = pa.ipc.open_stream(pa.py_buffer(stream), options=options).read_all()
    table.validate(full=True)
    return table


def _check_unpacked(
    batch: Batch, body: NDArray[np.uint8], columns: Sequence[range] | None, wanted: Sequence[int], memory: int
) -> None:
    """Refuse packed buffers that say that they unpack to more than there is memory for, before any is unpacked."""
    if not batch.is_packed:
        return
    numbers = range(len(batch.buffers)) if columns is None else [each for column in wanted for each in columns[column]]
    lengths = [
        int.from_bytes(body[batch.buffers[number][0] :][:8].tobytes(), "little", signed=True)
        for number in numbers
        if batch.buffers[number][1] >= 8
    ]
    total = sum(max(0, length) for length in lengths)
    if total > memory:
        raise ValueError(f"they take {format_bytes(total)} unpacked, more than memory={format_bytes(memory)}")


async def _grouped(extent: Extent, by: Arrow, column: Extent, source: GetRange, info: ObjectInfo) -> Extent:
    """Return an extent with the group of each row, of the same rows of the column that rows are grouped by.

    Raises:
        ConfigError: its values are no names of groups.
    """
    parts = [bytes(await source.get_range(info, span.offset, span.length_bytes)) for span in column.spans]
    rows = by.decode(b"".join(parts), column, column.codec, np.arange(extent.num_samples))
    assert by.columns is not None
    name = by.columns[0]
    groups = column_groups((row[name] for row in rows), object_key=info.key, column=name)
    return msgspec.structs.replace(extent, groups=groups)
