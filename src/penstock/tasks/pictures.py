"""Arrays to PNG files, with nothing but zlib: for figures that a task or a recipe has drawn in the report."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["png"]

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES: Final = {2: 0, 3: 2}
"""By the number of axes: greys, and red, green and blue."""


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file of greys, shape (height, width), or of colours, shape (height, width, 3).

    Raises:
        ValueError: it is no such array.
    """
    is_colour = pixels.ndim == 3 and pixels.shape[2] == 3
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or is_colour) or not pixels.size:
        raise ValueError(f"{pixels.dtype} of shape {pixels.shape} is no picture: give uint8, (height, width[, 3])")
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # each line begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[pixels.ndim], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
