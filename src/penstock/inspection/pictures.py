"""Pictures: told by kind, size and mode, and shown small: as half blocks in a terminal, as PNG in a page."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

from penstock.errors import PenstockError
from penstock.inspection.naming import kind_of_head

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PICTURE_KINDS", "can_show", "half_blocks", "small_png", "told_of"]

PICTURE_KINDS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WebP")
SMALL_PIXELS = 160
"""Of the longer side of a small picture."""
_MOST_PIXELS = 64 << 20


def can_show() -> bool:
    """Tell whether pictures can be read: Pillow is of an extra."""
    return importlib.util.find_spec("PIL") is not None


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
    from penstock.tasks.images.pixels import flattened, opened  # here: it needs Pillow

    made = io.BytesIO()
    try:
        with opened(memoryview(data), max_pixels=_MOST_PIXELS) as image:
            image.draft("RGB", (SMALL_PIXELS, SMALL_PIXELS))
            small = flattened(image, channels=3, background=255)
            small.thumbnail((SMALL_PIXELS, SMALL_PIXELS))
            small.save(made, "PNG")
    except PenstockError:
        return b""
    return made.getvalue()


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
