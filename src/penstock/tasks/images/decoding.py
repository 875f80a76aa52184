"""Bytes of an image file to the array that a network is fed with: pure functions of bytes, settings and chance.

The rule: an image is opened, a region of it is scaled to ``size`` x ``size`` pixels (bilinear, with a support that
grows with the reduction, so that nothing flickers through), what is transparent is laid on the background, and the
result is turned as EXIF says. The region is, by ``fit``: ``crop`` the largest square in the middle, ``stretch`` the
whole image, ``pad`` the whole image with the background beside it. JPEGs of more than four times the size that is
wanted are read at 1/2, 1/4 or 1/8 of theirs by libjpeg, which saves most of the time, and still at twice the size.

In training chance may take a smaller region (``crop``: 0.8 to 1 of each side, anywhere in the image) and mirror it
(``flip``: left to right, every other time).

Shapes: C channels (3 or 1), S size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from penstock.tasks.images.pixels import flattened, opened, orientation
from penstock.tasks.images.settings import BACKGROUNDS, MEAN, STD, Fit, ImageDecode

__all__ = ["TURNS", "decode_image"]

SMALLEST_CROP: Final = 0.8
"""Of each side, that chance leaves."""
_REDUCING_GAP: Final = 2.0
"""Times the wanted size that an image has at least before the last, exact, step of scaling."""
TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_image(data: memoryview, settings: ImageDecode, rng: np.random.Generator | None) -> NDArray[np.float32]:
    """Return an image as an array, shape (C, S, S).

    Args:
        data: bytes of the file.
        settings: of the manifest.
        rng: chance of the sample's own; None takes the image as it is.

    Raises:
        DataError: the bytes are no image that can be used.
    """
    with opened(data, max_pixels=settings.max_pixels) as image:
        turned = TURNS.get(orientation(image))
        region, flip = _region(image.size, settings, rng)
        _read_smaller(image, region, settings.size)
        background = BACKGROUNDS[settings.background]
        flat = flattened(image, channels=settings.channels, background=background)
        scaled = _scaled(flat, region, settings, background)
        if turned is not None:
            scaled = scaled.transpose(turned)
        pixels = np.asarray(scaled, dtype=np.float32)
    if flip:
        pixels = pixels[:, ::-1]
    return _normalized(pixels, settings)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Region:
    """A part of an image, in units of its sides: so it holds for a smaller reading of it too."""

    left: float
    top: float
    right: float
    bottom: float

    def of(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        return self.left * size[0], self.top * size[1], self.right * size[0], self.bottom * size[1]


def _region(size: tuple[int, int], settings: ImageDecode, rng: np.random.Generator | None) -> tuple[_Region, bool]:
    """Choose what is taken of an image, and whether it is mirrored."""
    width, height = _taken(size, settings.fit)
    left, top, flip = (1 - width) / 2, (1 - height) / 2, False
    if rng is not None:
        # All are drawn, so that one way to augment does not change the other's chance.
        part, across, down, mirrored = rng.random(4)
        if "crop" in settings.augment:
            part = SMALLEST_CROP + (1 - SMALLEST_CROP) * part
            width, height = width * part, height * part
            left, top = (1 - width) * across, (1 - height) * down
        flip = "flip" in settings.augment and mirrored < 0.5
    return _Region(left=left, top=top, right=min(1.0, left + width), bottom=min(1.0, top + height)), flip


def _taken(size: tuple[int, int], fit: Fit) -> tuple[float, float]:
    """Return the parts of width and height that are taken."""
    if fit != "crop":
        return 1.0, 1.0
    shorter = min(size)
    return shorter / size[0], shorter / size[1]


def _read_smaller(image: Image.Image, region: _Region, size: int) -> None:
    """Let libjpeg scale down what is far larger than what is wanted; other formats are read as they are."""
    wanted = size * _REDUCING_GAP
    needed = (round(wanted / (region.right - region.left)), round(wanted / (region.bottom - region.top)))
    if image.size[0] >= 2 * needed[0] and image.size[1] >= 2 * needed[1]:
        image.draft(None, needed)


def _scaled(image: Image.Image, region: _Region, settings: ImageDecode, background: int) -> Image.Image:
    """Scale a region to the wanted size."""
    box = region.of(image.size)
    size = settings.size
    if settings.fit != "pad":
        return image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    width, height = box[2] - box[0], box[3] - box[1]
    scale = size / max(width, height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    part = image.resize(inner, Image.Resampling.BILINEAR, box=box)
    padded = Image.new(image.mode, (size, size), background if image.mode != "RGB" else (background,) * 3)
    padded.paste(part, ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return padded


def _normalized(pixels: NDArray[np.float32], settings: ImageDecode) -> NDArray[np.float32]:
    """Scale values of 0 to 255, shape (S, S) or (S, S, 3), and put channels first."""
    planes = pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    if len(planes) < settings.channels:  # greys of 16 bits
        planes = np.broadcast_to(planes, (settings.channels, *planes.shape[1:]))
    scaled = planes * np.float32(1 / 255)
    if settings.normalize == "half":
        scaled = (scaled - np.float32(0.5)) * np.float32(2)
    elif settings.normalize == "imagenet":
        mean, std = (np.array(each, np.float32)[:, np.newaxis, np.newaxis] for each in (MEAN, STD))
        scaled = (scaled - mean) / std
    return np.ascontiguousarray(scaled, dtype=np.float32)
