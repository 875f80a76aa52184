"""A video's bytes and its caption to arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.tar import Tar
from penstock.formats.tar.members import VIDEOS
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, sample_key
from penstock.tasks.video_text.captions import caption_of, identity_of, words_of
from penstock.tasks.video_text.settings import VideoTextDecode

__all__ = ["Packed", "arrays_of", "packed_videos"]


class Packed(NamedTuple):
    """A video's file and its caption."""

    key: str
    file: bytes
    caption: str
    how: VideoTextDecode


def packed_videos(data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Packed]:
    """Return some videos of an extent, as their files are, with their captions.

    Raises:
        DataError: the bytes do not mean what they should.
    """
    how = VideoTextDecode.read(codec)
    keys = [sample_key(about, number) for number in numbers.tolist()]
    args = [about.args[number] for number in numbers.tolist()]
    captions = [caption_of(each[1 + each[0] :]) for each in args]
    if not how.archive:
        return [Packed(key, bytes_of(data), caption, how) for key, caption in zip(keys, captions, strict=True)]
    members = Extent(
        key=about.key,
        group=about.group,
        spans=(),
        num_samples=len(keys),
        keys=tuple(keys),
        args=tuple(tuple(each[1 : 1 + each[0]]) for each in args),
    )
    found = Tar().decode(data, members, how.archive, np.arange(len(keys)))
    return [
        Packed(key, _video(sample, key), caption, how)
        for key, sample, caption in zip(keys, found, captions, strict=True)
    ]


def _video(sample: dict[str, Any], key: str) -> bytes:
    for name, value in sample.items():
        if name.rpartition(".")[2] in VIDEOS:
            return bytes(value)
    raise DataError(
        f"{key} has a caption and no video: its members are {', '.join(sample)[:80]}", fix="leave it out", about=key
    )


def arrays_of(value: Packed) -> dict[str, Any]:
    """Return a sample as a batch has it.

    Returns:
        ``inputs``: ``frames``, uint8, shape (frames, 3, size, size), black behind the last; ``frame_count``; ``words``,
        int64, shape (words,), 0 behind the last. ``targets`` is one number for all that are told alike; ``caption`` its
        bytes, uint8, shape (caption_bytes,), 0 behind the last.

    Raises:
        DataError: the video cannot be decoded.
    """
    key, file, caption, how = value
    seen = how.video_format().value(file, key=key)["frames"]
    if not len(seen):
        raise DataError(f"{key} has no frames", fix="leave it out", about=key)
    if len(seen) > how.frames:
        seen = seen[np.linspace(0, len(seen) - 1, how.frames).round().astype(int)]
    frames = np.zeros((how.frames, 3, how.size, how.size), np.uint8)
    frames[: len(seen)] = seen.transpose(0, 3, 1, 2)
    shown = np.zeros(how.caption_bytes, np.uint8)
    told = np.frombuffer(caption.encode(), np.uint8)
    shown[: len(told)] = told
    words = words_of(caption, how.words)
    return {
        "inputs": {"frames": frames, "frame_count": np.int64(len(seen)), "words": words},
        "targets": identity_of(caption),
        "caption": shown,
    }
