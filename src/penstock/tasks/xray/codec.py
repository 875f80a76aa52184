"""What the decoder of X-rays has to know, and what each sample's numbers mean.

Numbers of a sample, in order: of a member of a ZIP file the five that it is read by; its findings as bits; then x, y,
width and height of each box, in parts of a pixel.
"""

from __future__ import annotations

from typing import ClassVar, Final

from penstock.formats.codec import Codec
from penstock.tasks.images.settings import Augmentation, ImageDecode

__all__ = ["MEMBER_NUMBERS", "XrayDecode"]

MEMBER_NUMBERS: Final = 5


class XrayDecode(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that all images of a listing share.

    Attributes:
        is_member: images are members of a ZIP file, and not objects.
    """

    kind: ClassVar[str] = "X-rays"

    size: int
    augment: tuple[Augmentation, ...]
    max_pixels: int
    is_member: bool

    @property
    def image(self) -> ImageDecode:
        """How an image becomes an array: whole, grey, from 0 to 1."""
        return ImageDecode(
            size=self.size,
            channels=1,
            fit="stretch",
            normalize="unit",
            augment=self.augment,
            background="black",
            max_pixels=self.max_pixels,
        )
