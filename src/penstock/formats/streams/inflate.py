"""Unpacking gzip with the points at which it can begin again, by the system's zlib.

Python's own ``zlib`` tells neither where a block of deflate ends nor what was unpacked before, so this calls the
library itself (``inflate`` with ``Z_BLOCK``, ``inflateGetDictionary``), as its ``zran.c`` does.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from penstock.formats.streams.packing import window_text

__all__ = ["Inflater", "Marks", "Point", "has_zlib"]

_OUT_BYTES: Final = 64 << 10
_WINDOW_BYTES: Final = 32 << 10
_GZIP: Final = 15 + 16
_BLOCK: Final = 5
_OK, _STREAM_END, _BUFFER_ERROR = 0, 1, -5
_ENDS_BLOCK, _IS_LAST = 128, 64


@dataclass(frozen=True, slots=True)
class Point:
    """Where unpacking can begin.

    Attributes:
        unpacked: bytes that were unpacked before it.
        packed: offset of the first byte that is read.
        bits: of it, its highest ones; 0 is all.
        window: as of ``Packing``.
    """

    unpacked: int
    packed: int
    bits: int = 0
    window: str = ""


class Marks:
    """How far an object was read when so much of it was unpacked."""

    def __init__(self) -> None:
        self._unpacked, self._read = array("Q"), array("Q")

    @property
    def last_unpacked(self) -> int | None:
        """Bytes that were unpacked at the last mark; None before the first."""
        return self._unpacked[-1] if self._unpacked else None

    def add(self, unpacked: int, read: int) -> None:
        """Note how many packed bytes were read for all that is unpacked."""
        self._unpacked.append(unpacked)
        self._read.append(read)

    def packed_end(self, unpacked: int) -> int | None:
        """Return how many bytes were read for the first ones that were unpacked; None behind the last mark."""
        place = bisect_left(self._unpacked, unpacked)
        return self._read[place] if place < len(self._read) else None


class _Stream(ctypes.Structure):
    _fields_ = (
        ("next_in", ctypes.c_void_p),
        ("avail_in", ctypes.c_uint),
        ("total_in", ctypes.c_ulong),
        ("next_out", ctypes.c_void_p),
        ("avail_out", ctypes.c_uint),
        ("total_out", ctypes.c_ulong),
        ("msg", ctypes.c_char_p),
        ("state", ctypes.c_void_p),
        ("zalloc", ctypes.c_void_p),
        ("zfree", ctypes.c_void_p),
        ("opaque", ctypes.c_void_p),
        ("data_type", ctypes.c_int),
        ("adler", ctypes.c_ulong),
        ("reserved", ctypes.c_ulong),
    )


@cache
def _library() -> Any:
    """Return the system's zlib; None where there is none."""
    names = ("libz.dylib",) if sys.platform == "darwin" else ("libz.so.1", "libz.so")
    for name in (*names, ctypes.util.find_library("z") or ""):
        try:
            library = ctypes.CDLL(name) if name else None
            if library is not None and library.inflateGetDictionary:
                library.zlibVersion.restype = ctypes.c_char_p
                return library
        except (OSError, AttributeError):
            continue
    return None


def has_zlib() -> bool:
    """Say whether the system's zlib is there."""
    return _library() is not None


class Inflater:
    """Unpacks an object of one or several members of gzip, fed in order.

    Args:
        spacing_bytes: unpacked, between points of a member; each member begins with one as well.

    Attributes:
        points: at which unpacking can begin, so far.
    """

    def __init__(self, spacing_bytes: int) -> None:
        self._zlib = _library()
        self._stream = _Stream()
        version = self._zlib.zlibVersion()
        if self._zlib.inflateInit2_(ctypes.byref(self._stream), _GZIP, version, ctypes.sizeof(self._stream)) != _OK:
            raise MemoryError
        self._spacing = spacing_bytes
        self._out = ctypes.create_string_buffer(_OUT_BYTES)
        self._is_between = False
        self._read = self._given = 0
        self._marks = Marks()
        self.points = [Point(0, 0)]

    @property
    def is_ended(self) -> bool:
        """Whether what was fed ends with a member."""
        return self._is_between

    @property
    def read_bytes(self) -> int:
        """Packed bytes that were used."""
        return self._read

    def __del__(self) -> None:  # a thread may still be in it when nobody waits for it any more
        if self._stream.state:
            self._zlib.inflateEnd(ctypes.byref(self._stream))

    def packed_end(self, unpacked: int) -> int:
        """Return how many bytes must be read for the first ones that were unpacked."""
        end = self._marks.packed_end(unpacked)
        return self._read if end is None else end

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Unpack more bytes.

        Raises:
            ValueError: they are no gzip; ``read_bytes`` is about where.
        """
        held = ctypes.create_string_buffer(data, len(data))
        at, stream = 0, self._stream
        while at < len(data):
            if self._is_between:
                if not any(data[at:]):  # tapes and some writers fill up with zeros
                    self._read += len(data) - at
                    return
                self._zlib.inflateReset(ctypes.byref(stream))
                self._is_between = False
                self._add_point(Point(self._given, self._read))
            stream.next_in, stream.avail_in = ctypes.addressof(held) + at, len(data) - at
            stream.next_out, stream.avail_out = ctypes.addressof(self._out), _OUT_BYTES
            code = self._zlib.inflate(ctypes.byref(stream), _BLOCK)
            used, made = len(data) - at - stream.avail_in, _OUT_BYTES - stream.avail_out
            at, self._read, self._given = at + used, self._read + used, self._given + made
            if code not in (_OK, _STREAM_END, _BUFFER_ERROR):
                raise ValueError((stream.msg or b"no gzip").decode())
            if made:
                yield self._out.raw[:made]
            self._note(ended=code == _STREAM_END)

    def _note(self, *, ended: bool) -> None:
        last = self._marks.last_unpacked
        if last is None or self._given - last >= _OUT_BYTES // 2 or ended:
            self._marks.add(self._given, self._read)
        if ended:
            self._is_between = True
            return
        kind = self._stream.data_type
        is_block_end = kind & _ENDS_BLOCK and not kind & _IS_LAST
        if is_block_end and self._given - self.points[-1].unpacked >= self._spacing:
            bits = kind & 7
            packed = self._read - bool(bits)
            self._add_point(Point(self._given, packed, bits, window_text(self._window())))

    def _add_point(self, point: Point) -> None:
        if point.unpacked - self.points[-1].unpacked >= self._spacing or not self._given:
            if not self._given:
                self.points.pop()
            self.points.append(point)

    def _window(self) -> bytes:
        window = ctypes.create_string_buffer(_WINDOW_BYTES)
        length = ctypes.c_uint(_WINDOW_BYTES)
        self._zlib.inflateGetDictionary(ctypes.byref(self._stream), window, ctypes.byref(length))
        return window.raw[: length.value]
