"""Bytes of an image file to its pixels: full-range greys or colours, whatever the file's own way to hold them.

Read are PNG, JPEG, WebP, GIF, BMP, TIFF, PPM and JPEG 2000, told apart by their bytes and not by their
names; of several frames or pages the first. What Pillow cannot read, or would read to values of no stated range
(TIFF of signed or 32-bit integers, or of floats), is a ``DataError``.

A header may claim any size: pixels are counted before any of them is made.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from penstock.errors import DataError, TruncatedObject

__all__ = ["FORMATS", "flattened", "opened", "orientation"]

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
_REENCODE: Final = "correct or remove it (--on-bad-sample skip leaves such images out)"
_ORIENTATION: Final = 0x0112
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
_GREYS_16: Final = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_COLOURS: Final = frozenset({"RGB", "CMYK", "YCbCr", "P", "RGBX", "HSV"})

Image.init()  # else formats are looked up that are not known yet
# What Pillow warns of is told by an error here, of the image that it belongs to, or is of no consequence.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


@contextmanager
def opened(data: memoryview, *, max_pixels: int) -> Iterator[Image.Image]:
    """Open an image; its pixels are not read yet. All that Pillow raises inside, on whatever bytes, is mapped.

    Raises:
        TruncatedObject: the image ends before its header says.
        DataError: it is no image that is read, is damaged, or has more pixels than are allowed.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, max_pixels)
            yield image
    except (DataError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise _too_large("far more pixels", max_pixels) from error
    except UnidentifiedImageError as error:
        start = bytes(data[:8]).hex(" ")
        raise DataError(
            f"no image that is read: its {len(data)} bytes begin with {start}",
            fix=f"read are {', '.join(FORMATS)}; {_REENCODE}",
        ) from error
    except Exception as error:  # Pillow's readers raise what they like on damaged bytes: struct.error, SyntaxError …
        kind = TruncatedObject if "truncat" in str(error).lower() or isinstance(error, EOFError) else DataError
        what = "an image that was cut off" if kind is TruncatedObject else "a damaged image"
        raise kind(f"{what} ({type(error).__name__}: {error})", fix=_REENCODE) from error


def orientation(image: Image.Image) -> int:
    """Return which of EXIF's eight ways an image is to be turned; 1, as it is, where nothing readable says so.

    A TIFF is read for it, for Pillow turns it by itself.
    """
    if image.format == "TIFF":
        image.load()
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged note beside the pixels, which says nothing of them
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def flattened(image: Image.Image, *, channels: int, background: int) -> Image.Image:
    """Return an image of one mode: ``RGB``, ``L``, or ``F`` of 0 to 255 for greys of 16 bits, which lose nothing.

    Colours become greys by ITU-R 601 (0.299 red, 0.587 green, 0.114 blue). What is transparent lies on the background.

    Args:
        channels: 3 for RGB, 1 for greys.
        background: grey level, 0 to 255.

    Raises:
        DataError: the image's values have no stated range.
    """
    image.load()
    if image.mode in _GREYS_16 or image.mode in ("I", "F"):
        return _wide_greys(image)
    wanted = "RGB" if channels == 3 else "L"
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        below = Image.new("RGBA", colours.size, (background, background, background, 255))
        return Image.alpha_composite(below, colours).convert(wanted)
    if wanted == "L" and image.mode in _COLOURS:
        image = image.convert("RGB")
    return image.convert(wanted)


def _wide_greys(image: Image.Image) -> Image.Image:
    """Scale greys of more than 8 bits to 0 to 255, as floats."""
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PPM", "PNG")):
        kind = "floats" if image.mode == "F" else "integers"
        raise DataError(
            f"a {image.format} image of {kind}, whose black and white are not stated",
            fix=f"save it with 8 or 16 bits without a sign; {_REENCODE}",
        )
    bits = int(tags[_BITS_PER_SAMPLE][0]) if _BITS_PER_SAMPLE in tags else 16
    values = np.asarray(image).astype(np.float32) * np.float32(255 / (2**bits - 1))
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        values = 255 - values
    return Image.fromarray(values)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise _too_large(f"{width} x {height} pixels", max_pixels)


def _too_large(what: str, max_pixels: int) -> DataError:
    return DataError(
        f"an image of {what}, where {max_pixels} are allowed",
        fix="make it smaller, leave it out (--on-bad-sample skip), or list with a larger --option max-pixels",
    )
