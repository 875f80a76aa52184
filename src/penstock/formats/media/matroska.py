"""What the index of a Matroska or WebM file (``Cues``) tells: where the clusters lie that clips take (RFC 9559)."""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.formats.media.sample_tables import Unindexed
from penstock.formats.media.tables import SAME_TIME

__all__ = ["Cues", "Element", "Matroska", "elements", "read_cues", "read_head", "rebuilt_matroska"]

CLUSTER: Final = 0x1F43B675
CUES: Final = 0x1C53BB6B
_SEGMENT, _SEEK_HEAD, _INFO, _TRACKS = 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B
_MARGIN: Final = 0.25
"""Seconds behind a clip's end that are fetched too: sound may be written later than pictures, and pictures early."""
_TYPES: Final = {1: "video", 2: "audio"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Element:
    """An element: what lies in it, and where; ``end`` is None where it is not told."""

    name: int
    start: int
    begin: int
    end: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Matroska:
    """The head of a file.

    Attributes:
        segment: offset of what lies in the segment, which offsets in the file count from.
        kept: the elements that tell of tracks and times, as they stand.
        scale: seconds of a unit of time.
        length: in seconds; None where it is not told.
        cues: offset of the index; None where there is none.
        first: offset of the first cluster.
        tracks: what each is of, by its number: video, audio, or something else.
        sizes: width and height of pictures, of the tracks that have some.
    """

    segment: int
    kept: bytes
    scale: float
    length: float | None
    cues: int | None
    first: int
    tracks: dict[int, str]
    sizes: dict[int, tuple[int, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cues:
    """Where clusters lie, by times in seconds, ascending; each is one that decoding can begin at."""

    times: tuple[float, ...]
    offsets: tuple[int, ...]

    def spans(self, parts: Sequence[tuple[float, float]], *, first: int, end: int) -> list[tuple[int, int]]:
        """Return where the clusters lie that some parts of a file take, as begins and ends, ascending.

        Args:
            first: offset of the first cluster.
            end: of the last one's end.
        """
        found: list[tuple[int, int]] = []
        for start, stop in sorted(parts):
            place = bisect_right(self.times, start + SAME_TIME)
            begin = self.offsets[place - 1] if place else first
            after = bisect_left(self.times, stop + _MARGIN)
            cut = next((offset for offset in self.offsets[after:] if offset > begin), end)
            if found and begin <= found[-1][1]:
                found[-1] = (found[-1][0], max(cut, found[-1][1]))
            else:
                found.append((begin, cut))
        return found


def elements(data: bytes | memoryview, begin: int, end: int) -> Iterator[Element]:
    """Return the elements that begin in some bytes; their ends may lie behind them.

    Raises:
        ValueError: there is none where one should be.
    """
    at = begin
    while at < end:
        try:
            name, length = _vint(data, at, keep=True)
            size, more = _vint(data, at + length, keep=False)
        except IndexError:
            return
        start, body = at, at + length + more
        is_open = size == (1 << 7 * more) - 1
        yield Element(name=name, start=start, begin=body, end=None if is_open else body + size)
        if is_open:
            return
        at = body + size


def read_head(data: bytes, size: int) -> Matroska:
    """Read a file's head.

    Args:
        data: from its begin, up to the first cluster at least.
        size: of the whole file.

    Raises:
        Unindexed: there is no such head in these bytes, or nothing that tells where clusters lie.
        ValueError: it contradicts itself.
    """
    head = list(elements(data, 0, len(data)))
    segment = next((each for each in head if each.name == _SEGMENT), None)
    if segment is None:
        raise ValueError("a file without a segment")
    found: dict[int, Element] = {}
    for each in elements(data, segment.begin, len(data)):
        found.setdefault(each.name, each)
        if each.name == CLUSTER:
            break
    if CLUSTER not in found or any(_end(found.get(name)) > len(data) for name in (_INFO, _TRACKS)):
        raise Unindexed
    if _INFO not in found or _TRACKS not in found:
        raise ValueError("a file whose tracks are not told")
    scale, length = _info(data, found[_INFO])
    cues = found[CUES].start if CUES in found else _sought(data, found.get(_SEEK_HEAD), segment.begin)
    tracks, sizes = _tracks(data, found[_TRACKS])
    return Matroska(
        segment=segment.begin,
        kept=data[: segment.start] + _OPEN_SEGMENT + _whole(data, found[_INFO]) + _whole(data, found[_TRACKS]),
        scale=scale,
        length=None if length is None else length * scale,
        cues=cues if cues is not None and cues < size else None,
        first=found[CLUSTER].start,
        tracks=tracks,
        sizes=sizes,
    )


_OPEN_SEGMENT: Final = b"\x18\x53\x80\x67\x01" + b"\xff" * 7
"""The begin of a segment whose length is not told."""


def read_cues(data: bytes | memoryview, head: Matroska, track: int, size: int) -> Cues:
    """Read the index's body.

    Args:
        track: that it is asked for; others are passed over where it has cues.
        size: of the whole file.

    Raises:
        ValueError: it contradicts itself.
    """
    points: dict[int, list[tuple[float, int]]] = {}
    for point in elements(data, 0, len(data)):
        time = 0
        for each in _within(data, point) if point.name == 0xBB else ():
            if each.name == 0xB3:
                time = _whole_number(data, each)
            elif each.name == 0xB7:
                parts = {part.name: _whole_number(data, part) for part in _within(data, each)}
                offset = parts.get(0xF1, -1) + head.segment
                if not head.first <= offset < size:
                    raise ValueError(f"a cluster at byte {offset} of {size}")
                points.setdefault(parts.get(0xF7, 0), []).append((time * head.scale, offset))
    chosen = sorted(points.get(track) or next(iter(points.values()), []))
    if [offset for _, offset in chosen] != sorted(offset for _, offset in chosen):
        raise ValueError("clusters whose times fall")
    return Cues(times=tuple(time for time, _ in chosen), offsets=tuple(offset for _, offset in chosen))


def rebuilt_matroska(kept: bytes, data: memoryview) -> bytes:
    """Return a file of some clusters."""
    return b"".join((kept, data))


def _info(data: bytes, info: Element) -> tuple[float, float | None]:
    """Return seconds of a unit of time, and how many the file has."""
    unit, length = 1_000_000, None
    for each in _within(data, info):
        if each.name == 0x2AD7B1:
            unit = _whole_number(data, each)
        elif each.name == 0x4489:
            body = data[each.begin : _end(each)]
            if len(body) in (4, 8):
                (length,) = struct.unpack(">f" if len(body) == 4 else ">d", body)
    if not unit:
        raise ValueError("a unit of time of 0 seconds")
    is_length = length is not None and 0 < length < 1e15
    return unit / 1e9, length if is_length else None


def _tracks(data: bytes, tracks: Element) -> tuple[dict[int, str], dict[int, tuple[int, int]]]:
    found: dict[int, str] = {}
    sizes: dict[int, tuple[int, int]] = {}
    for entry in _within(data, tracks):
        parts = {each.name: each for each in _within(data, entry)} if entry.name == 0xAE else {}
        if 0xD7 not in parts or 0x83 not in parts:
            continue
        number = _whole_number(data, parts[0xD7])
        found[number] = _TYPES.get(_whole_number(data, parts[0x83]), "")
        if 0xE0 in parts:
            picture = {each.name: each for each in _within(data, parts[0xE0])}
            if 0xB0 in picture and 0xBA in picture:
                sizes[number] = (_whole_number(data, picture[0xB0]), _whole_number(data, picture[0xBA]))
    return found, sizes


def _sought(data: bytes, head: Element | None, segment: int) -> int | None:
    """Return where the index lies, as the table of contents says."""
    if head is None or _end(head) > len(data):
        return None
    for seek in _within(data, head):
        parts = {each.name: each for each in _within(data, seek)} if seek.name == 0x4DBB else {}
        if 0x53AB in parts and 0x53AC in parts and _whole_number(data, parts[0x53AB]) == CUES:
            return segment + _whole_number(data, parts[0x53AC])
    return None


def _within(data: bytes | memoryview, parent: Element) -> Iterator[Element]:
    end = _end(parent)
    for each in elements(data, parent.begin, end):
        if each.end is None or each.end > end:
            raise ValueError(f"an element {each.name:#x} that goes on behind what it is in")
        yield each


def _whole(data: bytes, element: Element) -> bytes:
    return data[element.start : _end(element)]


def _end(element: Element | None) -> int:
    if element is None:
        return 0
    if element.end is None:
        raise ValueError(f"an element {element.name:#x} whose length is not told")
    return element.end


def _whole_number(data: bytes | memoryview, element: Element) -> int:
    body = bytes(data[element.begin : _end(element)])
    if len(body) > 8:
        raise ValueError(f"a number of {len(body)} bytes")
    return int.from_bytes(body, "big")


def _vint(data: bytes | memoryview, at: int, *, keep: bool) -> tuple[int, int]:
    """Return a number of a length that its first byte tells, and that length.

    Args:
        keep: the mark of the length, as names of elements have it.
    """
    first = data[at]
    length = 9 - first.bit_length()
    if length > 8 or (keep and length > 4):
        raise ValueError(f"no element at byte {at}")
    if at + length > len(data):
        raise IndexError(at)
    number = int.from_bytes(data[at : at + length], "big")
    return (number if keep else number & ~(1 << 7 * length)), length
