"""A clip's bytes to arrays: pictures and what is told of the sound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, sample_of
from penstock.tasks.clips.settings import RATE, ClipDecode, audio_format
from penstock.tasks.clips.sound import mfcc

__all__ = ["decode_clip"]

_FIRST = np.zeros(1, np.int64)


def decode_clip(data: Any, about: Described, codec: str) -> dict[str, NDArray[Any]]:
    """Return a clip.

    Returns:
        ``frames``, uint8, shape (frames, 3, size, size), and ``mfcc``, float32, shape (coefficients, steps).

    Raises:
        DataError: it cannot be decoded, or has no pictures or no sound.
    """
    how = ClipDecode.read(codec)
    args = sample_of(about, 0).args
    whole = bytes_of(data)
    cut = args[0]
    pictures, key = how.video_format(), about.key
    if how.video:
        video_args, audio_args = args[2 : 2 + args[1]], args[2 + args[1] :]
        seen = pictures.decode(whole[:cut], _part(key, video_args), how.video, _FIRST)[0]
        heard = seen
        if not how.has_own_sound:
            heard = audio_format().decode(whole[cut:], _part(key, audio_args), how.audio, _FIRST)[0]
    else:
        seen = pictures.value(whole[:cut], key=f"{key} (pictures)")
        heard = audio_format().value(whole[cut:], key=f"{key} (sound)")
    return {"frames": _frames(seen["frames"], how, key), "mfcc": _sound(heard["audio"], how, key)}


def _part(key: str, args: tuple[int, ...]) -> Extent:
    return Extent(key=key, group=key, spans=(), codec="", args=(tuple(args),))


def _frames(frames: NDArray[np.uint8], how: ClipDecode, key: str) -> NDArray[np.uint8]:
    if len(frames) != how.frames:
        raise DataError(f"{key} has {len(frames)} frames where {how.frames} are wanted", fix="leave it out", about=key)
    return np.ascontiguousarray(frames.transpose(0, 3, 1, 2))


def _sound(sound: NDArray[np.float32], how: ClipDecode, key: str) -> NDArray[np.float32]:
    if not sound.size:
        raise DataError(f"{key} has no sound in it", fix="leave it out", about=key)
    return mfcc(sound[0], RATE, coefficients=how.coefficients, steps=how.steps)
