"""How a video's bytes and its caption become arrays: settings that a manifest holds."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from penstock.errors import ConfigError
from penstock.formats.codec import Codec
from penstock.formats.media import Video
from penstock.tasks.options import Options

__all__ = ["VOCABULARY", "VideoTextDecode", "video_text_decode"]

Fit = Literal["crop", "pad", "stretch"]
FITS: Final[tuple[Fit, ...]] = ("crop", "pad", "stretch")
VOCABULARY: Final = 1 << 14
"""Numbers that words are hashed to; 0 is none."""
MOST_PIXELS: Final = 1 << 24
MOST_FPS: Final = 1000.0


class VideoTextDecode(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the decoder has to know.

    Attributes:
        frames: of a video; with ``fps`` the most.
        fps: frames a second; None spaces so many evenly.
        size: pixels of each side of a frame.
        words: of a caption, the most.
        caption_bytes: that a batch shows of a caption, the most.
        archive: what the format of archives has to know; empty of a video that is a file of its own.
    """

    kind: ClassVar[str] = "video-text"

    frames: int
    fps: float | None
    size: int
    fit: Fit
    words: int
    caption_bytes: int
    archive: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of a sample: those of its frames, then its words."""
        return self.frames, 3, self.size, self.size, self.words

    def video_format(self) -> Video:
        """Return the format that videos are read by."""
        sides = [self.size, self.size]
        if self.fps is not None:
            return Video(fps=self.fps, size=sides, fit=self.fit)
        return Video(frames=self.frames, size=sides, fit=self.fit)


def video_text_decode(chosen: Options) -> VideoTextDecode:
    """Read the options that say how videos and captions become arrays.

    Raises:
        ConfigError: one is not what it may be.
    """
    made = VideoTextDecode(
        frames=chosen.whole("frames", low=1, high=256),
        fps=chosen.rate("fps", most=MOST_FPS),
        size=chosen.whole("size", low=16, high=512),
        fit=chosen.choice("fit", FITS),
        words=chosen.whole("words", low=1, high=4096),
        caption_bytes=chosen.whole("caption_bytes", low=16, high=1 << 16),
    )
    if made.frames * made.size**2 > MOST_PIXELS:
        raise ConfigError(
            f"{made.frames} frames of {made.size} x {made.size} pixels are more than {MOST_PIXELS:,} a sample",
            fix="ask for fewer or smaller frames",
        )
    return made
