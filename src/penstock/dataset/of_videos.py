"""Datasets of videos and the captions that tell of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from penstock.dataset.described import WHERE, Dataset
from penstock.dataset.of_task import option_values
from penstock.dataset.of_tasks import made_of_task
from penstock.stream.options import names_checked
from penstock.stream.words import in_python
from penstock.tasks.options import Options
from penstock.tasks.video_text.options import OPTIONS
from penstock.tasks.video_text.settings import video_text_decode

__all__ = ["video_text"]


@names_checked
def video_text(
    source: str | os.PathLike[str],
    *,
    captions: str | Iterable[str] | None = None,
    videos: str | Iterable[str] | None = None,
    uncaptioned_share: float = 0.05,
    frames: int = 8,
    fps: float | None = None,
    size: int = 64,
    fit: Literal["crop", "pad", "stretch"] = "crop",
    words: int = 64,
    caption_bytes: int = 512,
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of videos and their captions, each a dictionary: what is seen, and what is told of it.

    ``inputs`` has ``frames``, uint8, shape (frames, 3, size, size), black behind the last, ``frame_count`` and
    ``words``, int64, shape (words,), 0 behind the last; ``caption`` has the caption's first bytes, uint8, 0 behind
    them; ``targets`` is one number for all captions of the same words. ``docs/video-text.md`` tells more.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        captions: patterns of the JSON files with captions; None takes all ``*.json``.
        videos: patterns of the archives and video files that are taken; None takes all.
        uncaptioned_share: share of videos without a caption, above which it is refused.
        frames: of a video, evenly spaced; with ``fps`` the most of them.
        fps: frames a second.
        size: pixels of each side of a frame.
        words: first words of a caption.
        caption_bytes: first bytes of a caption that are kept.

    Raises:
        ConfigError: an option cannot be used.
    """
    arguments = dict(locals())
    options = option_values("video-text", {name: value for name, value in arguments.items() if name not in WHERE})
    with in_python():
        chosen = Options(OPTIONS, options, task="video-text")
        video_text_decode(chosen)
        chosen.share("uncaptioned_share")
    return replace(made_of_task("video-text", arguments, options), gives_pairs=False)
