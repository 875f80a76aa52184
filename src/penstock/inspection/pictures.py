"""Pictures: told by kind, size and mode, and shown small: as half blocks in a terminal, as PNG in a page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError
from penstock.extras import is_there
from penstock.inspection.naming import kind_of_head

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PICTURE_KINDS", "array_pngs", "can_show", "half_blocks", "small_png", "told_of"]

PICTURE_KINDS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP")
SMALL_PIXELS = 160
"""Of the longer side of a small picture."""
_MOST_PIXELS = 64 << 20


def can_show() -> bool:
    """Tell whether pictures can be read: Pillow is of an extra."""
    return is_there("PIL")


def told_of(data: bytes | memoryview) -> str:
    """Tell of a picture, of which the beginning is enough: ``JPEG 640x480 RGB``; empty where it is none."""
    if kind_of_head(bytes(data[:64])) not in PICTURE_KINDS or not can_show():
        return ""
    from penstock.tasks.images.pixels import opened  # here: it needs Pillow

    try:
        with opened(memoryview(data), max_pixels=1 << 40) as image:
            return f"{image.format} {image.width}x{image.height} {image.mode}"
    except PenstockError:
        return ""


def small_png(data: bytes | memoryview) -> bytes:
    """Return a whole picture made small, as PNG; empty where it cannot be read."""
    if not can_show():
        return b""
    from penstock.tasks.images.decoding import TURNS  # here: they need Pillow
    from penstock.tasks.images.pixels import flattened, opened, orientation

    made = io.BytesIO()
    try:
        with opened(memoryview(data), max_pixels=_MOST_PIXELS) as image:
            turn = TURNS.get(orientation(image))
            image.draft("RGB", (SMALL_PIXELS, SMALL_PIXELS))
            small = flattened(image, channels=3, background=255)
            small = small if turn is None else small.transpose(turn)
            small.thumbnail((SMALL_PIXELS, SMALL_PIXELS))
            small.save(made, "PNG")
    except PenstockError:
        return b""
    return made.getvalue()


def array_pngs(array: NDArray[Any], *, most: int) -> list[tuple[str, bytes]]:
    """Return pictures that are numbers, made small, as PNG, each with its size; none where Pillow is missing.

    Args:
        array: shape (height, width), (height, width, 1 or 3), or several of those; what is not of 8 bits is shown from
            its lowest to its highest number.
    """
    if not can_show():
        return []
    from PIL import Image  # here: it is of an extra

    is_one = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3) and array.shape[0] > 3)
    found = []
    for each in (array[np.newaxis] if is_one else array)[:most]:
        low, high = float(each.min()), float(each.max())
        shown = each if each.dtype == np.uint8 else ((each - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)
        picture = Image.fromarray(shown[:, :, 0] if shown.ndim == 3 and shown.shape[2] == 1 else shown)
        picture.thumbnail((SMALL_PIXELS, SMALL_PIXELS))
        made = io.BytesIO()
        picture.save(made, "PNG")
        found.append((f"{each.shape[1]}x{each.shape[0]}", made.getvalue()))
    return found


def half_blocks(png: bytes, *, width: int) -> list[str]:
    """Return a picture as lines of upper half blocks in true colours, each of two rows of pixels."""
    from PIL import Image  # here: it is of an extra

    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGB")
    columns = min(width, image.width)
    rows = max(2, round(image.height * columns / image.width / 2) * 2)
    small = image.resize((columns, rows))
    return [_line(small, row) for row in range(0, rows, 2)]


def _line(image: Image.Image, row: int) -> str:
    pixels = [(image.getpixel((column, row)), image.getpixel((column, row + 1))) for column in range(image.width)]
    parts = []
    for above, below in pixels:
        front, back = (";".join(map(str, each)) for each in (above, below) if isinstance(each, tuple))
        parts.append(f"\x1b[38;2;{front}m\x1b[48;2;{back}m▀")
    return f"{''.join(parts)}\x1b[0m"
