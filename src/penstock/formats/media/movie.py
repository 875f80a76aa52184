"""What the index of an MP4 or MOV file (``moov``) tells: its tracks, and where their packets lie.

An index may say anything: counts are held against the bytes that they stand in before anything is made of them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.formats.media.boxes import Box, boxes, child, path, room
from penstock.formats.media.sample_tables import Unindexed, even_samples, packets_of
from penstock.formats.media.tables import Packets

__all__ = ["Movie", "Track", "read_movie", "with_packets"]

MOST_DESCRIBED_BYTES: Final = 1 << 20
_KINDS: Final[dict[bytes, Literal["video", "audio"]]] = {b"vide": "video", b"soun": "audio"}
_ENCRYPTED: Final = (b"encv", b"enca", b"drmi", b"drms")
_MATRIX: Final = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_PICTURES: Final = (b"jpeg", b"png ", b"tiff", b"gif ")
"""Kinds of pictures, of which a track that has a single one is no video."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """A track.

    Attributes:
        number: that the file calls it by.
        scale: units of its time a second.
        described: the box that tells of its codec (``stsd``), whole.
        matrix: that its pictures are turned by, as the file has it.
        width, height: of its pictures as they are coded.
        shift: units at which its presentation begins.
        shown: units of what is presented; None is all.
        packets: that the index has; of sound whose samples all have ``sample_bytes``, runs of those.
    """

    number: int
    kind: Literal["video", "audio"]
    scale: int
    described: bytes
    matrix: bytes
    width: int
    height: int
    shift: int
    shown: int | None
    packets: Packets
    sample_bytes: int = 0

    @property
    def times(self) -> NDArray[np.float64]:
        """When packets are seen or heard, in seconds, shape (packets,)."""
        return (self.packets.pts - self.shift) / self.scale

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Which packets are presented, shape (packets,)."""
        since = self.packets.pts - self.shift
        end = np.iinfo(np.int64).max if self.shown is None else self.shown
        return (since + self.packets.durations > 0) & (since >= (0 if self.kind == "video" else since)) & (since < end)

    @property
    def length(self) -> float:
        """Seconds from the presentation's begin to its end."""
        visible = self.visible
        if not visible.any():
            return 0.0
        last = int((self.packets.pts - self.shift + self.packets.durations)[visible].max())
        return (last if self.shown is None else min(last, self.shown)) / self.scale


@dataclass(frozen=True, kw_only=True, slots=True)
class Movie:
    """An index.

    Attributes:
        is_fragmented: packets lie in fragments (``moof``) as well, which come behind.
        defaults: of the fragments of tracks, by their numbers: duration, size and flags of packets.
    """

    tracks: tuple[Track, ...]
    is_fragmented: bool
    defaults: dict[int, tuple[int, int, int]]


def read_movie(moov: memoryview) -> Movie:
    """Read what lies in the box ``moov``.

    Raises:
        Unindexed: packets are presented in a way that clips cannot be taken by.
        ValueError: it contradicts itself, or what is in it is encrypted.
    """
    scale = _movie_scale(moov)
    tracks = []
    for each in boxes(moov):
        track = _track(each.body, scale) if each.kind == b"trak" else None
        if track is not None:
            tracks.append(track)
    extends = child(moov, b"mvex")
    defaults = {}
    for each in boxes(extends) if extends is not None else ():
        if each.kind == b"trex":
            number, _, duration, size, flags = struct.unpack_from(">5I", room(each.full()[2], 20, each.kind))
            defaults[number] = (duration, size, flags)
    return Movie(tracks=tuple(tracks), is_fragmented=extends is not None, defaults=defaults)


def _movie_scale(moov: memoryview) -> int:
    head = child(moov, b"mvhd")
    if head is None:
        if child(moov, b"cmov") is not None:
            raise Unindexed
        raise ValueError("an index without a head (mvhd)")
    return _scale(Box(kind=b"mvhd", body=head))


def _scale(head: Box) -> int:
    """Return the units a second of a head, of a movie or a track's media."""
    version, _, rest = head.full()
    (scale,) = struct.unpack_from(">I", room(rest, 20, head.kind), 16 if version else 8)
    if not scale:
        raise ValueError("a time that has 0 units a second")
    return int(scale)


def _track(trak: memoryview, movie_scale: int) -> Track | None:
    """Return a track of video or audio; None of others."""
    media, head = child(trak, b"mdia"), child(trak, b"tkhd")
    if media is None or head is None:
        raise ValueError("a track without a head, or without media")
    handler, media_head = child(media, b"hdlr"), child(media, b"mdhd")
    table = path(media, b"minf", b"stbl")
    if handler is None or media_head is None or len(handler) < 12:
        raise ValueError("media without a head")
    kind = _KINDS.get(bytes(handler[8:12]))
    if kind is None or table is None:
        return None
    scale = _scale(Box(kind=b"mdhd", body=media_head))
    described, width, height = _described(table, kind)
    _check_own(media)
    version, _, rest = Box(kind=b"tkhd", body=head).full()
    (number,) = struct.unpack_from(">I", room(rest, 20, b"tkhd"), 16 if version else 8)
    at = 48 if version else 36
    matrix = bytes(rest[at : at + 36])
    shift, shown = _edits(trak, movie_scale, scale)
    even = even_samples(table, kind, scale)
    packets = packets_of(table) if even is None else even[0]
    if kind == "video" and described[12:16] in (b"", *_PICTURES) and len(packets) == 1:
        return None
    return Track(
        number=number,
        kind=kind,
        scale=scale,
        described=described,
        matrix=matrix if len(matrix) == 36 else _MATRIX,
        width=width,
        height=height,
        shift=shift,
        shown=shown,
        packets=packets,
        sample_bytes=0 if even is None else even[1],
    )


def _described(table: memoryview, kind: str) -> tuple[bytes, int, int]:
    """Return the box that tells of a codec, and a picture's width and height."""
    body = child(table, b"stsd")
    if body is None or len(body) > MOST_DESCRIBED_BYTES:
        raise ValueError("a track whose codec is not told")
    _, _, rest = Box(kind=b"stsd", body=body).full()
    (count,) = struct.unpack_from(">I", room(rest, 4, b"stsd"))
    entries = list(boxes(rest[4:]))
    if not entries or not count:
        raise ValueError("a track whose codec is not told")
    if any(entry.kind in _ENCRYPTED for entry in entries):
        raise ValueError(f"{kind} that is encrypted")
    if len(entries) > 1:
        raise Unindexed
    width = height = 0
    if kind == "video":
        width, height = struct.unpack_from(">2H", room(entries[0].body, 28, b"stsd"), 24)
    return struct.pack(">I4s", len(body) + 8, b"stsd") + bytes(body), width, height


def _check_own(media: memoryview) -> None:
    """Refuse a track whose packets lie in another file."""
    references = path(media, b"minf", b"dinf", b"dref")
    for each in boxes(Box(kind=b"dref", body=references).full()[2][4:]) if references is not None else ():
        if each.kind in (b"url ", b"urn ") and not each.full()[1] & 1:
            raise ValueError("a track whose packets lie in another file")


def _edits(trak: memoryview, movie_scale: int, scale: int) -> tuple[int, int | None]:
    """Return where a track's presentation begins, and how long it is, by its list of edits."""
    body = path(trak, b"edts", b"elst")
    if body is None:
        return 0, None
    version, _, rest = Box(kind=b"elst", body=body).full()
    (count,) = struct.unpack_from(">I", room(rest, 4, b"elst"))
    entry = struct.Struct(">Qqhh" if version else ">Iihh")
    if count * entry.size > len(rest) - 4:
        raise ValueError(f"a list of {count} edits in {len(rest)} bytes")
    wait = 0
    edits = [entry.unpack_from(rest, 4 + number * entry.size) for number in range(count)]
    while edits and edits[0][1] == -1:
        wait += edits.pop(0)[0]
    if len(edits) > 1 or (edits and (edits[0][1] < 0 or edits[0][2:] != (1, 0))):
        raise Unindexed
    if not edits:
        return 0, None
    begin = wait * scale // movie_scale
    length = -(-edits[0][0] * scale // movie_scale)
    return edits[0][1] - begin, begin + length if length else None


def with_packets(track: Track, packets: Packets) -> Track:
    """Return a track with others of its packets."""
    return replace(track, packets=packets)
