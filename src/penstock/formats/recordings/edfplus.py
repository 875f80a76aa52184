"""The annotations channel of EDF+ and BDF+: when each record begins, and what is told of times in between.

By the specification each record's first list (TAL) is its own time; gaps between records are told by nothing else.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from penstock.errors import DataError, HeaderMismatch
from penstock.formats.bdf import BdfHeader
from penstock.formats.recordings.model import Annotation, Segment
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB, format_bytes

__all__ = ["annotations_of", "read_lists", "segments_of"]

_TAL: Final = re.compile(rb"([+-]\d{1,15}(?:\.\d*)?)(?:\x15(\d{1,15}(?:\.\d*)?))?\x14(.*)\x14", re.DOTALL)
_BLOCK_BYTES: Final = 4 * MIB
_LARGE_RECORD: Final = 64 * KIB
_MOST_BYTES: Final = 256 * MIB
_AT_ONCE: Final = 16

List = tuple[float, float, tuple[str, ...]]
"""Onset and duration in seconds, and texts."""


async def read_lists(source: GetRange, info: ObjectInfo, header: BdfHeader) -> list[list[List]]:
    """Read the lists of each record.

    Of large records the annotations alone are read, of small ones all of the object.

    Raises:
        DataError: they are no such lists, or take too much.
        SourceError: they could not be read.
    """
    places = _places(header)
    if not places:
        raise _wrong(header.name, f"it is {header.variant[:5] or 'EDF'} and has no annotations channel")
    each = sum(length for _, length in places)
    if each * header.num_records > _MOST_BYTES:
        raise DataError(
            f"the annotations of {header.name} take {format_bytes(each * header.num_records)}",
            fix="leave it out",
            about=header.name,
        )
    if header.record_bytes < _LARGE_RECORD:
        records = await _by_blocks(source, info, header, places)
    else:
        records = await _by_record(source, info, header, places)
    return [_lists(parts, number, header.name) for number, parts in enumerate(records)]


def segments_of(lists: Sequence[Sequence[List]], header: BdfHeader) -> tuple[Segment, ...]:
    """Return which records follow on each other in time.

    Raises:
        HeaderMismatch: a record does not say when it begins, or does before the one before it ends.
    """
    starts = [_start(each, number, header.name) for number, each in enumerate(lists)]
    slack = header.record_seconds / (2 * max(header.samples_per_record))
    found: list[Segment] = []
    for number, start in enumerate(starts):
        expected = starts[number - 1] + header.record_seconds if number else start
        if number and start < expected - slack:
            raise _wrong(
                header.name,
                f"its record {number} begins at {start:g} s, before the one before it ends ({expected:g} s)",
            )
        if not number or start > expected + slack:
            found.append(Segment(first_frame=number, num_frames=1, start_seconds=start - starts[0]))
        else:
            last = found[-1]
            found[-1] = Segment(
                first_frame=last.first_frame, num_frames=last.num_frames + 1, start_seconds=last.start_seconds
            )
    return tuple(found)


def annotations_of(lists: Sequence[Sequence[List]], header: BdfHeader) -> tuple[Annotation, ...]:
    """Return what is told of times, after the first record's begin; what is said of several channels comes once."""
    first = lists[0][0] if lists and lists[0] else (0.0, 0.0, ("",))
    begin = first[0] if not any(first[2]) else 0.0
    found: dict[tuple[float, float, str], None] = {}
    every = []
    for onset, lasts, texts in (each for record in lists for each in record):
        for text in filter(None, texts):
            told, _, channel = text.partition("@@")
            key = (onset - begin, lasts, told)
            if channel in header.labels:
                if key in found:
                    continue
                found[key] = None
            else:
                key = (onset - begin, lasts, text)
            every.append(Annotation(onset_seconds=key[0], duration_seconds=key[1], text=key[2]))
    return tuple(every)


def _places(header: BdfHeader) -> list[tuple[int, int]]:
    """Return where annotations lie in a record: (offset, bytes)."""
    starts = np.cumsum([0, *header.samples_per_record]).tolist()
    width = header.width_bytes
    return [(starts[i] * width, header.samples_per_record[i] * width) for i in header.annotation_channels]


async def _by_blocks(
    source: GetRange, info: ObjectInfo, header: BdfHeader, places: Sequence[tuple[int, int]]
) -> list[list[bytes]]:
    step = max(1, _BLOCK_BYTES // header.record_bytes)
    records = []
    for first in range(0, header.num_records, step):
        count = min(step, header.num_records - first)
        data = await source.get_range(
            info, header.header_bytes + first * header.record_bytes, count * header.record_bytes
        )
        for number in range(count):
            at = number * header.record_bytes
            records.append([bytes(data[at + offset : at + offset + length]) for offset, length in places])
    return records


async def _by_record(
    source: GetRange, info: ObjectInfo, header: BdfHeader, places: Sequence[tuple[int, int]]
) -> list[list[bytes]]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> list[bytes]:
        at = header.header_bytes + number * header.record_bytes
        async with turns:
            return [bytes(await source.get_range(info, at + offset, length)) for offset, length in places]

    return list(await asyncio.gather(*(one(number) for number in range(header.num_records))))


def _lists(parts: Sequence[bytes], record: int, name: str) -> list[List]:
    found = []
    for part in parts:
        for text in part.split(b"\0"):
            if not text:
                continue
            match = _TAL.fullmatch(text)
            try:
                if match is None:
                    raise ValueError  # noqa: TRY301
                texts = tuple(match[3].decode().split("\x14"))
            except ValueError:
                raise _wrong(name, f"record {record} has the annotation {text[:60]!r}, which is none") from None
            found.append((float(match[1]), float(match[2] or 0), texts))
    return found


def _start(lists: Sequence[List], record: int, name: str) -> float:
    if not lists or any(lists[0][2][:1]):
        raise _wrong(name, f"its record {record} does not say when it begins")
    return lists[0][0]


def _wrong(name: str, what: str) -> DataError:
    return HeaderMismatch(f"{name} is wrong: {what}", fix="upload the recording again, or leave it out", about=name)
