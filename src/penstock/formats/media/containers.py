"""Containers of video and audio, told by their first bytes; FFmpeg is told which, and never guesses.

What it guessed might be one that names other files to be opened (HLS, DASH, lists), which no dataset's object may.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

from penstock.units import KIB

__all__ = ["HEAD_BYTES", "check_streams", "check_words", "container_of", "told_size"]

HEAD_BYTES: Final = 64 * KIB
"""First bytes that it takes to tell; what stands before sound may be long."""
_MAGIC: Final = (
    (4, b"ftyp", "mov"),
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
    (4, b"free", "mov"),
    (4, b"skip", "mov"),
    (4, b"styp", "mov"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (8, b"AVI ", "avi"),
    (8, b"WAVE", "wav"),
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (0, b"FLV\x01", "flv"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (0, b"caff", "caf"),
    (0, b"#!AMR", "amr"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (0, b"\xff\xfa", "mp3"),
)
_WORDS: Final = re.compile(rb"LIST([\s\S]{4})INFO")
_REVERSED: Final = bytes(int(f"{number:08b}"[::-1], 2) for number in range(256))
_H264: Final = 0x1B
_PROGRAM: Final = re.compile(rb"\x02(?=([\xb0-\xb3][\s\S])[\s\S]{2}[\xc0-\xff]\x00\x00)")
"""How a table of a program's streams begins."""
_PACKET: Final = 188
"""Bytes of a packet of MPEG-TS."""


def container_of(head: bytes) -> str:
    """Return FFmpeg's name of the container that some first bytes are of; empty where it is none that is read."""
    if head[:1] == b"G" and head[_PACKET : _PACKET + 1] in (b"G", b""):
        return "mpegts" if len(head) >= _PACKET else ""
    if head.startswith(b"ID3"):  # which may stand before any sound
        length = sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(head[6:10]))
        behind = container_of(head[10 + length :])
        return behind if behind in ("flac", "aac", "mp3") else "mp3"
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    return next((name for at, magic, name in _MAGIC if head[at : at + len(magic)] == magic), "")


def check_words(data: bytes) -> None:
    """See that the words that RIFF tells beside pictures and sound lie in the file: FFmpeg clears memory for all.

    Raises:
        ValueError: they do not.
    """
    for found in _WORDS.finditer(data):
        end = found.start() + 8 + int.from_bytes(found[1], "little")
        if end > len(data):
            raise ValueError(f"its words end at byte {end}, of {len(data)}")


def check_streams(data: bytes) -> None:
    """See that a stream of MPEG-TS that is of H.264 stays so: where it changes, FFmpeg ends the process.

    Raises:
        ValueError: it does not.
    """
    sections = set()
    for begun in _PROGRAM.finditer(data):
        sections.add(data[begun.start() : begun.start() + 3 + int.from_bytes(begun[1], "big") % 4096])
    kinds: dict[int, set[int]] = {}
    for section in filter(_is_whole, sections):
        at = 12 + int.from_bytes(section[10:12], "big") % 4096
        while at + 5 <= len(section) - 4:
            kinds.setdefault(int.from_bytes(section[at + 1 : at + 3], "big") % 8192, set()).add(section[at])
            at += 5 + int.from_bytes(section[at + 3 : at + 5], "big") % 4096
    for stream, found_kinds in kinds.items():
        if _H264 in found_kinds and len(found_kinds) > 1:
            raise ValueError(f"its stream {stream} changes its codec, which is not read")


def _is_whole(section: bytes) -> bool:
    """Tell whether the CRC at a section's end is its own: that of zlib, bits the other way round."""
    return zlib.crc32(section.translate(_REVERSED)) == 0xFFFFFFFF


def told_size(head: bytes, container: str) -> int | None:
    """Return the bytes that a file says in its head that it has; None where it does not."""
    if container in ("avi", "wav") and head.startswith(b"RIFF"):
        size = int.from_bytes(head[4:8], "little")
        return None if size in (0, 0xFFFFFFFF) else size + 8
    if container == "aiff":
        return int.from_bytes(head[4:8], "big") + 8
    return None
