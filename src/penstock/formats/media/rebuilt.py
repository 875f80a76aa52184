"""A small MP4 of some packets of a larger one: what a clip takes, as a file that is read like any other.

Codecs are told by the boxes of the file itself, so whatever they are they are told as it does.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.formats.media.boxes import box, full_box
from penstock.formats.media.tables import Packets

__all__ = ["KeptTrack", "breaks_of", "rebuilt_movie"]

_HANDLERS: Final = {"video": b"vide", "audio": b"soun"}
_UNITY: Final = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


class KeptTrack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manifest keeps of a track.

    Attributes:
        track: what it is of.
        scale: units of its time a second.
        shift: units at which its presentation begins.
        described: the box that tells of its codec.
        matrix: that its pictures are turned by.
        sample_bytes: of sound whose packets are runs of samples of one size.
    """

    track: Literal["video", "audio"]
    scale: int
    shift: int
    described: bytes
    matrix: bytes
    sample_bytes: int = 0


def rebuilt_movie(tracks: Sequence[tuple[KeptTrack, Packets]], data: memoryview) -> tuple[bytes, list[int]]:
    """Return a file of packets, and how many units of time each track begins later than the file tells.

    Args:
        tracks: with their packets, whose offsets are those in ``data``.

    Raises:
        ValueError: their times cannot be written.
    """
    kind = box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2mp41")
    size = len(_moov(tracks, 0))
    begin = len(kind) + size + 16
    moov = _moov(tracks, begin)
    rest = struct.pack(">I4sQ", 1, b"mdat", len(data) + 16)
    return b"".join((kind, moov, rest, data)), [int(packets.dts[0]) if len(packets) else 0 for _, packets in tracks]


def breaks_of(tracks: Sequence[tuple[KeptTrack, Packets]]) -> frozenset[int]:
    """Return when packets of pictures are decoded that do not follow the ones before, in the file's units."""
    found: set[int] = set()
    for kept, packets in tracks:
        if kept.track == "video" and len(packets):
            gaps = np.flatnonzero(np.diff(packets.dts) > packets.durations[:-1]) + 1
            found |= set((packets.dts[gaps] - packets.dts[0]).tolist())
    return frozenset(found)


def _moov(tracks: Sequence[tuple[KeptTrack, Packets]], begin: int) -> bytes:
    head = struct.pack(">4I", 0, 0, 1000, 0) + struct.pack(">IHHQ", 1 << 16, 1 << 8, 0, 0) + _UNITY + bytes(24)
    parts = [_trak(number, kept, packets, begin) for number, (kept, packets) in enumerate(tracks, 1)]
    return box(b"moov", full_box(b"mvhd", 0, 0, head, struct.pack(">I", len(tracks) + 1)), *parts)


def _trak(number: int, kept: KeptTrack, packets: Packets, begin: int) -> bytes:
    volume = 1 << 8 if kept.track == "audio" else 0
    head = struct.pack(">5I", 0, 0, number, 0, 0) + bytes(8) + struct.pack(">4H", 0, 0, volume, 0)
    length = int(packets.dts[-1] - packets.dts[0] + packets.durations[-1]) if len(packets) else 0
    own = full_box(b"url ", 0, 1)
    minf = box(
        b"minf",
        full_box(b"vmhd", 0, 1, bytes(8)) if kept.track == "video" else full_box(b"smhd", 0, 0, bytes(4)),
        box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), own)),
        _table(kept, packets, begin),
    )
    mdia = box(
        b"mdia",
        full_box(b"mdhd", 1, 0, struct.pack(">QQIQ", 0, 0, kept.scale, max(0, length)), struct.pack(">2H", 0x55C4, 0)),
        full_box(b"hdlr", 0, 0, bytes(4), _HANDLERS[kept.track], bytes(13)),
        minf,
    )
    return box(b"trak", full_box(b"tkhd", 0, 7, head, kept.matrix, bytes(8)), mdia)


def _table(kept: KeptTrack, packets: Packets, begin: int) -> bytes:
    count = len(packets)
    number = struct.pack(">I", count)
    offsets = full_box(b"co64", 0, 0, number, (packets.offsets + begin).astype(">u8").tobytes())
    if kept.sample_bytes:
        return box(b"stbl", kept.described, *_even_tables(kept.sample_bytes, packets), offsets)
    steps = np.append(np.diff(packets.dts), packets.durations[-1:])
    keys = np.flatnonzero(packets.keys) + 1
    return box(
        b"stbl",
        kept.described,
        full_box(b"stts", 0, 0, number, _pairs(steps)),
        full_box(b"ctts", 1, 0, number, _pairs(packets.pts - packets.dts)),
        full_box(b"stss", 0, 0, struct.pack(">I", len(keys)), keys.astype(">u4").tobytes()),
        full_box(b"stsc", 0, 0, struct.pack(">4I", 1, 1, 1, 1)),
        full_box(b"stsz", 0, 0, struct.pack(">I", 0), number, packets.sizes.astype(">u4").tobytes()),
        offsets,
    )


def _even_tables(size: int, packets: Packets) -> list[bytes]:
    """Return the tables of packets that are runs of samples of one size; each is a chunk."""
    samples = packets.sizes // size
    length = int(packets.durations[0] // samples[0]) if len(packets) else 1
    total = int(samples.sum())
    firsts = np.arange(1, len(packets) + 1)
    runs = np.stack([firsts, samples, np.ones(len(packets), np.int64)], axis=1)
    return [
        full_box(b"stts", 0, 0, struct.pack(">3I", 1, total, length)),
        full_box(b"stsc", 0, 0, struct.pack(">I", len(packets)), runs.astype(">u4").tobytes()),
        full_box(b"stsz", 0, 0, struct.pack(">2I", size, total)),
    ]


def _pairs(values: NDArray[np.int64]) -> bytes:
    """Return runs of one value each, in 32 bits."""
    if len(values) and not -(1 << 31) <= int(values.min()) <= int(values.max()) < 1 << 32:
        raise ValueError("packets that lie too far apart")
    whole = values.astype(np.int64) & 0xFFFFFFFF
    return np.stack([np.ones(len(whole), np.int64), whole], axis=1).astype(">u4").tobytes()
