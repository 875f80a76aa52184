"""Pictures as arrays, by Pillow: in their own numbers where they are grey, else in red, green and blue.

They are turned as EXIF says; what is transparent lies on white; of several frames or pages it is the first. Profiles of
colours (ICC) are not applied. A header may claim any size: pixels are counted before any of them is made.
"""

from __future__ import annotations

import io
import warnings
from functools import cache
from typing import Any, Final

import numpy as np

from penstock.extras import import_extra

__all__ = ["picture_of", "raw_picture"]

_FORMATS: Final = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Others, told by the bytes whatever the name, may start programs of their own."""
MOST_PIXELS: Final = 1 << 27
_ORIENTATION, _PHOTOMETRIC, _BITS_PER_SAMPLE = 0x0112, 262, 258
_TURNS: Final = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""Pillow's names of what EXIF's ways to turn a picture are."""
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
        ValueError: it has more pixels than are made.
        Exception: of whatever kind Pillow raises on damaged bytes, and where they were cut off.
    """
    pillow = _pillow()
    try:
        with pillow.open(io.BytesIO(data), formats=_formats()) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_many(f"{picture.width} x {picture.height}")
            picture.load()  # which turns a TIFF by itself
            turn = _turn(picture)
            return _array(picture if turn is None else picture.transpose(turn), _whitest(picture))
    except pillow.DecompressionBombError as error:
        raise _too_many("far more") from error
    except pillow.UnidentifiedImageError as error:  # whose own words name a place in memory
        told = data[:8].hex(" ") or "nothing"
        raise ValueError(f"cannot identify image file: its {len(data)} bytes begin with {told}") from error


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


def _array(picture: Any, whitest: int = 0) -> Any:
    """Return numbers in the machine's order of bytes.

    Args:
        whitest: number that is black, where 0 is white; 0 where it is not so.
    """
    if picture.mode in _GREYS and (picture.mode != "L" or not picture.has_transparency_data):
        greys = np.array(picture)
        greys = greys.astype(greys.dtype.newbyteorder("="), copy=False)
        return np.asarray(whitest - greys, greys.dtype) if whitest else greys
    if not picture.has_transparency_data:
        return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))
    colours = picture.convert("RGBA")
    below = _pillow().new("RGBA", colours.size, (255, 255, 255, 255))
    return np.array(_pillow().alpha_composite(below, colours).convert("RGB"))


def _turn(picture: Any) -> Any:
    """Return how a picture is to be turned; None where nothing that can be read says so."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged note beside the pixels, which says nothing of them
        return None
    return _TURNS.get(value) if isinstance(value, int) else None


def _whitest(picture: Any) -> int:
    """Return the number of 16 bits that is black, where a TIFF says that 0 is white; Pillow turns those of 8 bits."""
    tags = getattr(picture, "tag_v2", {})
    if not picture.mode.startswith("I;16") or tags.get(_PHOTOMETRIC) != 0:
        return 0
    return int((1 << int(tags.get(_BITS_PER_SAMPLE, (16,))[0])) - 1)


def _too_many(told: str) -> ValueError:
    return ValueError(f"a picture of {told} pixels, where {MOST_PIXELS} are made")


@cache
def _formats() -> tuple[str, ...]:
    """Return the kinds that this Pillow reads; it warns of nothing that is told by an error, or of no consequence."""
    image = _pillow()
    image.init()
    warnings.filterwarnings("ignore", module=r"PIL\.")
    return tuple(name for name in _FORMATS if name in image.OPEN)


def _pillow() -> Any:
    return import_extra("PIL.Image", "images", what="pictures are decoded by Pillow", instead="take them as bytes")
