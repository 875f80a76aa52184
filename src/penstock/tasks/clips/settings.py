"""How a clip's bytes become arrays: settings that a manifest holds."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from penstock.errors import ConfigError
from penstock.formats.codec import Codec
from penstock.formats.media import Audio, Video
from penstock.tasks.options import Options

__all__ = ["AUGMENTATIONS", "FITS", "RATE", "ClipDecode", "clip_decode"]

Fit = Literal["crop", "pad", "stretch"]
FITS: Final[tuple[Fit, ...]] = ("crop", "pad", "stretch")
AUGMENTATIONS: Final = ("flip", "none")
RATE: Final = 16_000
"""Samples a second of sound that coefficients are made of."""


class ClipDecode(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the decoder has to know.

    Attributes:
        frames: pictures of a clip.
        size: pixels of each side of one.
        coefficients, steps: axes of what is told of its sound.
        flips: whether chance mirrors a clip in training.
        video, audio: codecs of the parts of longer files that a clip is; empty where it is a file each.
        has_own_sound: the sound is that of the file with the pictures.
    """

    kind: ClassVar[str] = "clips"

    frames: int
    size: int
    fit: Fit
    coefficients: int
    steps: int
    flips: bool
    video: str = ""
    audio: str = ""
    has_own_sound: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of a sample: those of its frames, then those of its coefficients."""
        return self.frames, 3, self.size, self.size, self.coefficients, self.steps

    def video_format(self) -> Video:
        """Return the format that pictures are read by, with the sound where it is of the same file."""
        sound = {"audio": True, "rate": RATE, "channels": 1} if self.has_own_sound else {}
        return Video(frames=self.frames, size=[self.size, self.size], fit=self.fit, **sound)  # type: ignore[arg-type]


def audio_format() -> Audio:
    """Return the format that sound of files of its own is read by."""
    return Audio(rate=RATE, channels=1)


def clip_decode(chosen: Options) -> ClipDecode:
    """Read the options that say how a clip becomes arrays.

    Raises:
        ConfigError: one is not what it may be.
    """
    made = ClipDecode(
        frames=chosen.whole("frames", low=2, high=1000),
        size=chosen.whole("size", low=16, high=1024),
        fit=chosen.choice("fit", FITS),
        coefficients=chosen.whole("coefficients", low=1, high=64),
        steps=chosen.whole("steps", low=2, high=10_000),
        flips=chosen.choice("augment", AUGMENTATIONS) == "flip",
    )
    if made.frames * made.size**2 > MOST_PIXELS:
        raise ConfigError(
            f"{made.frames} frames of {made.size} x {made.size} pixels are more than {MOST_PIXELS:,} a sample",
            fix="ask for fewer or smaller frames",
        )
    return made


MOST_PIXELS: Final = 1 << 27
