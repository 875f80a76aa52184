"""How an image becomes an array: settings that a manifest holds, in one JSON text for all its images."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from penstock.formats.codec import Codec

__all__ = ["AUGMENTATIONS", "BACKGROUNDS", "FITS", "MEAN", "NORMALIZATIONS", "STD", "Augmentation", "ImageDecode"]

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


class ImageDecode(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
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

    kind: ClassVar[str] = "images"

    size: int
    channels: int
    fit: Fit
    normalize: Normalize
    augment: tuple[Augmentation, ...]
    background: Background
    max_pixels: int
