"""The indexes of containers, found in objects by as few reads as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.errors import TruncatedObject
from penstock.formats.media.boxes import HEAD_BYTES, head_of
from penstock.formats.media.fragments import Fragments
from penstock.formats.media.matroska import CUES, Cues, Matroska, elements, read_cues, read_head
from penstock.formats.media.movie import Movie, Track, read_movie, with_packets
from penstock.formats.media.sample_tables import Unindexed
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB, format_bytes

__all__ = ["matroska_cues", "read_tracks"]

_BLOCK_BYTES: Final = 64 * KIB
_FRAGMENT_BYTES: Final = 8 * KIB
_MOST_INDEX_BYTES: Final = 256 * MIB
_MOST_BOXES: Final = 1 << 20


class _Window:
    """Bytes of an object, read where they are asked for and are not there yet."""

    def __init__(self, source: GetRange, info: ObjectInfo, head: bytes) -> None:
        self._source, self._info, self._data, self._at = source, info, head, 0

    async def read(self, offset: int, length: int, *, ahead: int) -> memoryview:
        """Return some bytes, fewer at the object's end; ``ahead`` are fetched in one where some are missing."""
        length = min(length, self._info.size_bytes - offset)
        if not self._at <= offset <= offset + length <= self._at + len(self._data):
            wanted = min(max(length, ahead), self._info.size_bytes - offset)
            self._data, self._at = bytes(await self._source.get_range(self._info, offset, wanted)), offset
        start = offset - self._at
        return memoryview(self._data)[start : start + length]


async def read_tracks(source: GetRange, info: ObjectInfo, head: bytes) -> list[Track]:
    """Return the tracks of an MP4 or MOV file with all their packets.

    Raises:
        Unindexed: clips cannot be taken by its index.
        TruncatedObject: it ends before its index does, or has none.
        ValueError: the index contradicts itself.
    """
    window = _Window(source, info, head)
    movie: Movie | None = None
    fragments: Fragments | None = None
    at = count = 0
    while at + 8 <= info.size_bytes:
        count += 1
        if count > _MOST_BOXES:
            raise ValueError(f"more than {_MOST_BOXES} boxes")
        ahead = _BLOCK_BYTES if fragments is None else _FRAGMENT_BYTES
        room = info.size_bytes - at
        kind, taken, size = head_of(await window.read(at, HEAD_BYTES, ahead=ahead), room)
        if kind in (b"moov", b"moof"):
            if size > min(room, _MOST_INDEX_BYTES):
                raise _cut_off(info, kind, size, at)
            body = (await window.read(at, size, ahead=ahead))[taken:]
            if kind == b"moov" and movie is None:
                movie = read_movie(body)
                if not movie.is_fragmented:
                    return _checked(movie.tracks, info)
                fragments = Fragments(movie)
            elif kind == b"moof" and fragments is not None:
                fragments.add(body, at)
        elif size > room and kind != b"mdat":
            raise _cut_off(info, kind, size, at)
        at += size
    if movie is None or fragments is None:
        told = "" if at <= info.size_bytes else f"; what lies in it goes on to byte {at} of {info.size_bytes}"
        raise TruncatedObject(
            f"{info.key} has no index (moov){told}", fix="upload it again, or leave it out", about=info.key
        )
    return _checked([with_packets(track, fragments.packets(track.number)) for track in movie.tracks], info)


def _checked(tracks: Sequence[Track], info: ObjectInfo) -> list[Track]:
    """Refuse a file in which packets lie behind its end."""
    for track in tracks:
        end = int((track.packets.offsets + track.packets.sizes).max()) if len(track.packets) else 0
        if end > info.size_bytes:
            raise TruncatedObject(
                f"{info.key} was cut off: its index tells of byte {end}, and it has {info.size_bytes}",
                fix="upload it again, or leave it out",
                about=info.key,
            )
    return list(tracks)


async def matroska_cues(
    source: GetRange, info: ObjectInfo, head: bytes, more_bytes: int, main: str
) -> tuple[Matroska, Cues]:
    """Return the head of a Matroska file, and its index of its first track of a kind.

    Raises:
        Unindexed: it has none.
        ValueError: it contradicts itself.
    """
    try:
        told = read_head(head, info.size_bytes)
    except Unindexed:
        if len(head) >= info.size_bytes:
            raise
        head = bytes(await source.get_range(info, 0, min(more_bytes, info.size_bytes)))
        told = read_head(head, info.size_bytes)
    segment = next(each for each in elements(head, 0, len(head)) if each.begin == told.segment)
    if segment.end is not None and segment.end > info.size_bytes:
        raise ValueError(f"it was cut off: it says that it has {segment.end} bytes, and has {info.size_bytes}")
    if told.cues is None:
        raise Unindexed
    window = _Window(source, info, head)
    begin = await window.read(told.cues, HEAD_BYTES, ahead=_BLOCK_BYTES)
    found = next(iter(elements(begin, 0, len(begin))), None)
    if found is None or found.name != CUES or found.end is None:
        raise ValueError("clusters in an index that is not where it should be")
    if told.cues + found.end > info.size_bytes or found.end > _MOST_INDEX_BYTES:
        raise ValueError(f"{found.end} bytes at byte {told.cues} of {info.size_bytes}")
    body = (await window.read(told.cues, found.end, ahead=_BLOCK_BYTES))[found.begin :]
    track = next((number for number, kind in told.tracks.items() if kind == main), 0)
    cues = read_cues(body, told, track, info.size_bytes)
    if not cues.times:
        raise Unindexed
    return told, cues


def _cut_off(info: ObjectInfo, kind: bytes, size: int, at: int) -> TruncatedObject:
    return TruncatedObject(
        f"{info.key} was cut off: its box {kind.decode('latin-1')!r} at byte {at} has {format_bytes(size)}, and it "
        f"has {format_bytes(info.size_bytes)}",
        fix="upload it again, or leave it out",
        about=info.key,
    )
