"""Unpacking Zstandard frame by frame: unpacking can begin at each of them.

Frames are told by their headers and those of their blocks (RFC 8878), so that no more than one is held.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

from penstock.formats.streams.inflate import Marks, Point

__all__ = ["MOST_FRAME_BYTES", "Unzstd"]

MOST_FRAME_BYTES: Final = 256 << 20
"""Of one frame, packed."""
_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"
_STEP_BYTES: Final = 64 << 10
_RLE, _COMPRESSED = 1, 2


class Unzstd:
    """Unpacks an object of frames, fed in order; its face is that of ``Inflater``.

    Args:
        spacing_bytes: unpacked, between points.

    Attributes:
        points: at which unpacking can begin, so far.
    """

    def __init__(self, spacing_bytes: int) -> None:
        self._spacing = spacing_bytes
        self._held = bytearray()
        self._walked = 0
        """Bytes of what is held that blocks were found in."""
        self._read = self._given = 0
        self._marks = Marks()
        self.points = [Point(0, 0)]

    @property
    def is_ended(self) -> bool:
        """Whether what was fed ends with a frame."""
        return not self._held

    @property
    def read_bytes(self) -> int:
        """Packed bytes that were used."""
        return self._read

    def packed_end(self, unpacked: int) -> int:
        """Return how many bytes must be read for the first ones that were unpacked."""
        end = self._marks.packed_end(unpacked)
        return self._read if end is None else end

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unpack more bytes.

        Raises:
            ValueError: they are no Zstandard; ``read_bytes`` is about where.
        """
        self._held += data
        while end := self._frame_end():
            frame = bytes(self._held[:end])
            del self._held[:end]
            self._walked = 0
            if frame.startswith(_MAGIC):
                yield from self._unpack(frame)
            self._read += end
        if len(self._held) > MOST_FRAME_BYTES:
            raise ValueError(f"a frame of more than {MOST_FRAME_BYTES >> 20} MiB, of which no part can be read alone")

    def _unpack(self, frame: bytes) -> Iterator[bytes]:
        import pyarrow as pa  # here: it takes 20 MiB, and little is packed so

        if self._given - self.points[-1].unpacked >= self._spacing:
            self.points.append(Point(self._given, self._read))
        file = io.BytesIO(frame)
        try:
            with pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd") as stream:
                while made := stream.read(_STEP_BYTES):
                    self._given += len(made)
                    self._marks.add(self._given, self._read + file.tell())
                    yield made
        except (OSError, pa.ArrowException) as error:
            raise ValueError(str(error)) from error

    def _frame_end(self) -> int:
        """Return where the frame ends that is held; 0 where it was not read to its end.

        Raises:
            ValueError: it is no frame.
        """
        held = self._held
        if len(held) < 4:
            return 0
        if held[1:4] == _SKIPPABLE and 0x50 <= held[0] <= 0x5F:
            end = 8 + int.from_bytes(held[4:8], "little") if len(held) >= 8 else 0
            if end > MOST_FRAME_BYTES:
                raise ValueError(f"a skippable frame of {end} bytes")
            return end if end <= len(held) else 0
        if held[:4] != _MAGIC:
            raise ValueError("no frame of Zstandard")
        if len(held) < 5:
            return 0
        about = held[4]
        at = self._walked or 5 + _header_bytes(about)
        while at + 3 <= len(held):
            block = int.from_bytes(held[at : at + 3], "little")
            kind, size = block >> 1 & 3, block >> 3
            if kind > _COMPRESSED:
                raise ValueError("a block of a kind that is not known")
            at += 3 + (1 if kind == _RLE else size)
            if block & 1:
                end = at + (4 if about & 4 else 0)
                return end if end <= len(held) else 0
            self._walked = at
        return 0


def _header_bytes(about: int) -> int:
    """Return what a frame's header takes behind its descriptor.

    Raises:
        ValueError: it needs a dictionary, or what it says is not known.
    """
    if about & 3:
        raise ValueError("it is packed with a dictionary, which is not there")
    if about & 8:
        raise ValueError("a frame of a kind that is not known")
    is_single = bool(about & 32)
    size = (0, 2, 4, 8)[about >> 6] or int(is_single)
    return int(not is_single) + size
