"""Pictures as arrays, by Pillow."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from penstock.errors import ConfigError

__all__ = ["picture_of", "raw_picture"]

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Others, told by the bytes whatever the name, may start programs of their own."""
_GREYS = frozenset({"L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_PIXEL_BITS = {
    "1": 1,
    **dict.fromkeys(("L", "P"), 8),
    **dict.fromkeys(("LA", "PA", "La", "I;16", "I;16L", "I;16B", "I;16N"), 16),
    **dict.fromkeys(("RGB", "YCbCr", "LAB", "HSV"), 24),
    **dict.fromkeys(("RGBA", "RGBa", "RGBX", "CMYK", "I", "F"), 32),
}
"""Of Pillow's modes; each row begins with a byte."""


def picture_of(data: bytes) -> Any:
    """Return a picture's numbers, shape (height, width, 3), or (height, width) of grey ones; of other kinds as RGB.

    Raises:
        ConfigError: Pillow is not there.
        Exception: of whatever kind Pillow raises on damaged bytes.
    """
    with _pillow().open(io.BytesIO(data), formats=_FORMATS) as picture:
        return _array(picture)


def raw_picture(mode: str, width: int, height: int, data: bytes) -> Any:
    """Return the numbers, as ``picture_of`` does, of a picture that is not packed, as Pillow's ``tobytes`` gives it.

    Raises:
        ValueError: its bytes are not those of its size, or its mode is not known.
        ConfigError: Pillow is not there.
    """
    if mode not in _PIXEL_BITS:
        raise ValueError(f"a picture of the mode {mode[:20]!r}")
    if (width * _PIXEL_BITS[mode] + 7) // 8 * height != len(data) or not data:
        raise ValueError(f"a picture of {width} x {height} pixels of the mode {mode} in {len(data)} bytes")
    return _array(_pillow().frombytes(mode, (width, height), data))


def _array(picture: Any) -> Any:
    return np.array(picture if picture.mode in {"RGB", *_GREYS} else picture.convert("RGB"))


def _pillow() -> Any:
    try:
        from PIL import Image  # here: an extra
    except ImportError as error:
        raise ConfigError(
            "pictures are decoded by Pillow, which is not there",
            fix="pip install 'penstock[images]', or take them as bytes",
        ) from error
    return Image
