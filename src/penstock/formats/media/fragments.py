"""Fragments of MP4 (``moof``): the packets that each tells of."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from penstock.formats.media.boxes import Box, boxes, child
from penstock.formats.media.movie import Movie
from penstock.formats.media.sample_tables import MOST_PACKETS
from penstock.formats.media.tables import Packets

__all__ = ["Fragments"]

_NOT_KEY: Final = 0x10000
_DATA_OFFSET, _FIRST_FLAGS = 0x1, 0x4
_PER_PACKET: Final = (0x100, 0x200, 0x400, 0x800)
"""Flags of a run that has for each packet a duration, a size, flags, a shift."""


class Fragments:
    """Gathers the packets of fragments, which come in the order of the file."""

    def __init__(self, movie: Movie) -> None:
        self._defaults = movie.defaults
        self._parts = {track.number: [track.packets] for track in movie.tracks}
        self._next = {track.number: _end_of(track.packets) for track in movie.tracks}
        self._count = 0

    def add(self, moof: memoryview, start: int) -> None:
        """Take the packets of a fragment.

        Args:
            moof: the box's body.
            start: offset of the box.

        Raises:
            ValueError: it contradicts itself.
        """
        end = start
        for each in boxes(moof):
            if each.kind == b"traf":
                end = self._add_track(each.body, start, end)

    def packets(self, number: int) -> Packets:
        """Return the packets of a track."""
        parts = self._parts[number]
        names = ("offsets", "sizes", "dts", "pts", "durations", "keys")
        return Packets(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def _add_track(self, traf: memoryview, start: int, end: int) -> int:
        """Take the packets of a track; return where they end."""
        head = child(traf, b"tfhd")
        if head is None:
            raise ValueError("a fragment without a head (tfhd)")
        _, flags, rest = Box(kind=b"tfhd", body=head).full()
        fields = _Fields(rest)
        number = fields.take(">I")
        base = fields.take(">Q") if flags & 0x1 else (start if flags & 0x20000 else end)
        if flags & 0x2:
            fields.take(">I")
        known = self._defaults.get(number, (0, 0, 0))
        defaults = tuple(fields.take(">I") if flags & bit else known[at] for at, bit in enumerate((0x8, 0x10, 0x20)))
        timed = child(traf, b"tfdt")
        at = self._next.get(number, 0)
        if timed is not None:
            version, _, rest = Box(kind=b"tfdt", body=timed).full()
            at = _Fields(rest).take(">Q" if version else ">I")
        place = base
        for each in boxes(traf):
            if each.kind == b"trun":
                packets = _run(each, defaults, base, place, at)
                place, at = _places(packets, place, at)
                self._keep(number, packets)
        self._next[number] = at
        return place

    def _keep(self, number: int, packets: Packets) -> None:
        self._count += len(packets)
        if self._count > MOST_PACKETS:
            raise ValueError(f"more than {MOST_PACKETS} packets")
        if number in self._parts:
            self._parts[number].append(packets.chosen(packets.sizes > 0))


class _Fields:
    """Reads numbers one behind the other."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def take(self, kind: str) -> int:
        size = struct.calcsize(kind)
        if self._at + size > len(self._data):
            raise ValueError("the head of a fragment that is cut off")
        (found,) = struct.unpack_from(kind, self._data, self._at)
        self._at += size
        if found >= 1 << 62:
            raise ValueError(f"a fragment with {found} in its head")
        return int(found)

    @property
    def left(self) -> memoryview:
        return self._data[self._at :]


def _run(table: Box, defaults: tuple[int, ...], base: int, place: int, at: int) -> Packets:
    """Return the packets of a run."""
    version, flags, rest = table.full()
    fields = _Fields(rest)
    count = fields.take(">I")
    if flags & _DATA_OFFSET:
        (offset,) = struct.unpack(">i", struct.pack(">I", fields.take(">I")))
        place = base + offset
    first_flags = fields.take(">I") if flags & _FIRST_FLAGS else None
    columns = [bit for bit in _PER_PACKET if flags & bit]
    if count > MOST_PACKETS or (columns and 4 * count * len(columns) > len(fields.left)):
        raise ValueError(f"a run of {count} packets in {len(fields.left)} bytes")
    told = np.frombuffer(fields.left, ">u4", count * len(columns)).reshape(count, len(columns))
    durations, sizes, packet_flags = (
        told[:, columns.index(bit)].astype(np.int64) if bit in columns else np.full(count, default, np.int64)
        for bit, default in zip(_PER_PACKET[:3], defaults, strict=True)
    )
    if first_flags is not None and count:
        packet_flags[0] = first_flags
    shifts = np.zeros(count, np.int64)
    if _PER_PACKET[3] in columns:
        column = np.ascontiguousarray(told[:, columns.index(_PER_PACKET[3])]).astype(np.uint32)
        shifts = column.view(np.int32).astype(np.int64) if version else column.astype(np.int64)
    before = np.concatenate([[0], np.cumsum(sizes)])[:-1] if count else np.zeros(0, np.int64)
    since = np.concatenate([[0], np.cumsum(durations)])[:-1] if count else np.zeros(0, np.int64)
    if place < 0:
        raise ValueError(f"a run of packets at the offset {place}")
    return Packets(
        offsets=place + before,
        sizes=sizes,
        dts=at + since,
        pts=at + since + shifts,
        durations=durations,
        keys=(packet_flags & _NOT_KEY) == 0,
    )


def _places(packets: Packets, place: int, at: int) -> tuple[int, int]:
    """Return where the next run lies, and when it begins."""
    if not len(packets):
        return place, at
    return int(packets.offsets[-1] + packets.sizes[-1]), int(packets.dts[-1] + packets.durations[-1])


def _end_of(packets: Packets) -> int:
    return int(packets.dts[-1] + packets.durations[-1]) if len(packets) else 0
