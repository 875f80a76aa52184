"""Options of the task ``video-text``."""

from __future__ import annotations

from typing import Final

from penstock.tasks.protocols import TaskOption

__all__ = ["OPTIONS"]


def _text(name: str, default: str | None, text: str, metavar: str) -> TaskOption:
    return TaskOption(name=name, kind=str, default=default, help=text, metavar=metavar)


def _count(name: str, default: int, text: str) -> TaskOption:
    return TaskOption(name=name, kind=int, default=default, help=text, metavar="N")


OPTIONS: Final = (
    _text("captions", None, "patterns of the JSON files with captions, joined by commas: all *.json", "PATTERNS"),
    _text("videos", None, "patterns of the archives and video files that are taken, joined by commas: all", "PATTERNS"),
    TaskOption(
        name="uncaptioned_share",
        kind=float,
        default=0.05,
        help="share of videos without a caption that is left out and not refused, 0 to 1",
        metavar="SHARE",
    ),
    _count("frames", 8, "frames of a video, evenly spaced; with fps the most of them, 1 to 256"),
    TaskOption(name="fps", kind=float, default=None, help="frames a second, like 1, instead", metavar="RATE"),
    _count("size", 64, "pixels of each side of a frame, 16 to 512"),
    _text("fit", "crop", "how frames become squares: crop (the middle), pad or stretch", "{crop,pad,stretch}"),
    _count("words", 64, "first words of a caption that are learnt from, 1 to 4096"),
    _count("caption_bytes", 512, "first bytes of a caption that are kept, 16 to 65536"),
)
