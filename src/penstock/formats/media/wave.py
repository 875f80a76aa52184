"""WAV files whose sound has the same bytes a second throughout: where the samples of a clip lie."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

__all__ = ["Wave", "read_wave", "rebuilt_wave"]

_EVEN: Final = frozenset({1, 3, 6, 7, 0xFFFE})
"""Kinds of samples that each take the same bytes: whole numbers, floats, A-law, mu-law, and what is told by more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    """A file.

    Attributes:
        head: the chunk that tells of samples, whole.
        rate: samples a second.
        sample_bytes: of a sample of all channels.
        offset: of the first sample.
        num_samples: that lie there.
    """

    head: bytes
    rate: int
    channels: int
    sample_bytes: int
    offset: int
    num_samples: int


def read_wave(data: bytes, size: int) -> Wave | None:
    """Read a head; None where the samples are not of one size, or do not begin in these bytes.

    Raises:
        ValueError: it ends before it says.
    """
    if data[:4] != b"RIFF":
        return None
    at, head = 12, b""
    while at + 8 <= len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt ":
            head = data[at : at + 8 + length]
        elif name == b"data":
            return _made(head, at + 8, length, size)
        at += 8 + length + length % 2
    return None


def _made(head: bytes, offset: int, length: int, size: int) -> Wave | None:
    if len(head) < 24:
        return None
    kind, channels, rate, _, sample_bytes = struct.unpack_from("<HHIIH", head, 8)
    if kind not in _EVEN or not channels or not rate or not sample_bytes:
        return None
    if length in (0, 0xFFFFFFFF):  # written to where nobody could go back
        length = size - offset
    if offset + length > size:
        raise ValueError(f"it was cut off: its sound has {length} bytes, of which {size - offset} are there")
    return Wave(
        head=head,
        rate=rate,
        channels=channels,
        sample_bytes=sample_bytes,
        offset=offset,
        num_samples=length // sample_bytes,
    )


def rebuilt_wave(head: bytes, data: memoryview) -> bytes:
    """Return a file of some samples."""
    size = 4 + len(head) + 8 + len(data)
    return b"".join((b"RIFF", struct.pack("<I", size), b"WAVE", head, b"data", struct.pack("<I", len(data)), data))
