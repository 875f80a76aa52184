"""How an image becomes an array: settings that a manifest holds, in one JSON text for all its images."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

import msgspec

from penstock.errors import DataError

__all__ = ["AUGMENTATIONS", "BACKGROUNDS", "FITS", "MEAN", "NORMALIZATIONS", "STD", "ImageDecode"]

Fit = Literal["crop", "pad", "stretch"]
Normalize = Literal["unit", "half", "imagenet"]
Augmentation = Literal["flip", "crop"]
Background = Literal["white", "black", "grey"]

FITS: Final[tuple[Fit, ...]] = ("crop", "pad", "stretch")
NORMALIZATIONS: Final[tuple[Normalize, ...]] = ("unit", "half", "imagenet")
AUGMENTATIONS: Final[tuple[Augmentation, ...]] = ("flip", "crop")
BACKGROUNDS: Final[dict[Background, int]] = {"white": 255, "black": 0, "grey": 128}

MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, in units of the full range: what networks that were trained on it expect."""


class ImageDecode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the decoder has to know; see ``docs/images.md`` for what each comes to.

    Attributes:
        size: pixels of each side of a sample.
        channels: 3 of red, green and blue, or 1 of grey.
        fit: how an image that is no square becomes one.
        normalize: scale of the values.
        augment: what chance does to an image in training.
        background: what lies behind a transparent image, and beside a padded one.
        max_pixels: of an image as its header has them, more are refused.
    """

    size: int
    channels: int
    fit: Fit
    normalize: Normalize
    augment: tuple[Augmentation, ...]
    background: Background
    max_pixels: int

    def encode(self) -> str:
        """Return the text that a manifest holds."""
        return msgspec.json.encode(self).decode()

    @staticmethod
    def read(text: str) -> ImageDecode:
        """Return what a manifest's text holds.

        Raises:
            DataError: it holds something else.
        """
        return _read(text)


@lru_cache(maxsize=8)
def _read(text: str) -> ImageDecode:
    try:
        return msgspec.json.decode(text, type=ImageDecode)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DataError(
            f"the manifest's decoder {text[:80]!r} is none of images ({error})", fix="list the dataset again"
        ) from error
