"""Generated clips of two classes, ads and games: pairs of a video and a sound, whose classes are more or less shown.

The class of a clip shows in both halves: a bar that lies across or stands, and a low or a high tone. With the
probability ``effect`` what is shown is the clip's own class, else that of either; so ``(1 + effect) / 2`` of clips can
be told at best.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.formats.media.decoding import need_av

__all__ = ["CLASSES", "generate_clips"]

CLASSES: Final = ("ads", "games")
RATE: Final = 8000
FPS: Final = 5
SIDE: Final = 32
SECONDS: Final = 2.0
CLIP_BYTES: Final = 38_700


def generate_clips(sink: Callable[[str, bytes], None], *, seed: int, effect: float, size_bytes: int) -> str:
    """Generate pairs of files, and say how many.

    Args:
        sink: takes each key and its bytes.
        seed: the same seed gives the same clips.
        effect: how surely a clip shows the class that it is of, 0 to 1.
        size_bytes: of all files together, about.

    Raises:
        ConfigError: PyAV is not installed.
    """
    need_av()
    count = max(20, round(size_bytes / CLIP_BYTES))
    for number in range(count):
        rng, label = np.random.default_rng((seed, number)), number % 2
        shown = label if rng.random() < effect else int(rng.integers(2))
        sink(f"data/{CLASSES[label]}/video/{number:04}.mp4", _film(shown, rng))
        sink(f"data/{CLASSES[label]}/audio/{number:04}.wav", _sound(shown, rng))
    return f"{count:,} clips of {SECONDS:g} s"


def _film(pattern: int, rng: np.random.Generator) -> bytes:
    import av  # here: it is an extra

    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as file:
        video: Any = file.add_stream("mpeg4", rate=FPS)
        video.height = video.width = SIDE
        video.pix_fmt, video.bit_rate = "yuv420p", 200_000
        video.codec_context.thread_count = 1
        for _ in range(round(SECONDS * FPS)):
            file.mux(video.encode(av.VideoFrame.from_ndarray(_picture(pattern, rng), format="rgb24")))
        file.mux(video.encode(None))
    return data.getvalue()


def _picture(pattern: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    pixels = rng.normal(70, 15, (SIDE, SIDE, 3))
    at = int(rng.integers(4, SIDE - 8))
    if pattern == 0:
        pixels[at : at + 5] += 120
    else:
        pixels[:, at : at + 5] += 120
    return pixels.clip(0, 255).astype(np.uint8)


def _sound(pitch: int, rng: np.random.Generator) -> bytes:
    at = np.arange(round(SECONDS * RATE)) / RATE
    tone = rng.normal(0, 2000, len(at)) + 9000 * np.sin(2 * np.pi * (400, 1500)[pitch] * at + rng.uniform(0, 6))
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(tone.astype("<i2").tobytes())
    return data.getvalue()
