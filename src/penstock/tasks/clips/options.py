"""Options of the task ``clips``."""

from __future__ import annotations

from typing import Final

from penstock.tasks.protocols import TaskOption

__all__ = ["OPTIONS"]


def _text(name: str, default: str | None, text: str, metavar: str) -> TaskOption:
    return TaskOption(name=name, kind=str, default=default, help=text, metavar=metavar)


def _count(name: str, default: int, text: str) -> TaskOption:
    return TaskOption(name=name, kind=int, default=default, help=text, metavar="N")


OPTIONS: Final = (
    _text("video_folder", "video", "name of the folders, below those of the classes, that pictures lie in", "NAME"),
    _text("audio_folder", "audio", "name of the folders beside them that sound lies in", "NAME"),
    _text(
        "group_separator",
        None,
        "what stands before the last such text in clips' names stays whole in a split: _ of film-1_003 and film-1_004",
        "TEXT",
    ),
    _text(
        "table",
        None,
        "CSV table, a key of the source, of clips in longer files: file, start, end (seconds), label, and where there "
        "are some audio (a file of its own) and group (default: the file)",
        "KEY",
    ),
    TaskOption(
        name="unpaired_share",
        kind=float,
        default=0.05,
        help="share of clips that lack pictures or sound that is left out and not refused, 0 to 1",
        metavar="SHARE",
    ),
    _count("frames", 40, "pictures of a clip, evenly spaced, 2 to 1000"),
    _count("size", 96, "pixels of each side of one, 16 to 1024"),
    _text("fit", "crop", "how pictures become squares: crop (the middle), pad or stretch", "{crop,pad,stretch}"),
    _count("coefficients", 32, "mel-frequency cepstral coefficients of the sound, 1 to 64"),
    _count("steps", 100, "parts of equal length that they are the means over, 2 to 10000"),
    _text("augment", "flip", "what chance does in training: flip (left for right) or none", "{flip,none}"),
)
