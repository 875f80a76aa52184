"""Small clips of planted classes: pairs of files in folders of their classes, or parts of longer films."""

from __future__ import annotations

import io
import tempfile
import wave
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

__all__ = ["CLASSES", "SETTINGS", "Planted", "film", "sound", "write_films", "write_pairs"]

CLASSES = ("ads", "games")
SETTINGS = ("frames=8", "size=16", "steps=20", "coefficients=16")
RATE = 8000
FPS = 5
SIDE = 32
Planted = Literal["video", "audio", "both", "nothing"]


def film(patterns: list[int], *, seed: int, seconds: float = 2.0, wave_of: list[int] | None = None) -> bytes:
    """Return an MP4 of parts of some seconds: a bar that lies across (0) or stands (1), anywhere; noise where it is 2.

    Args:
        wave_of: pitch of the sound of each part, 0 or 1; None has no sound.
    """
    rng = np.random.default_rng(seed)
    with tempfile.NamedTemporaryFile() as place, av.open(place.name, "w", format="mp4") as file:
        video: Any = file.add_stream("libx264", rate=FPS)
        video.height = video.width = SIDE
        video.pix_fmt, video.gop_size = "yuv420p", FPS
        video.codec_context.thread_count = 1
        audio: Any = file.add_stream("aac", rate=RATE) if wave_of is not None else None
        if audio is not None:
            audio.layout = "mono"
        for pattern in patterns:
            for _ in range(round(seconds * FPS)):
                frame = av.VideoFrame.from_ndarray(_picture(pattern, rng), format="rgb24")
                file.mux(video.encode(frame))
        if audio is not None:
            for number, pitch in enumerate(wave_of or []):
                tone = _tone(pitch, seconds, rng)[None].astype(np.float32) / 32768
                heard = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                heard.sample_rate, heard.pts = RATE, number * tone.shape[1]
                file.mux(audio.encode(heard))
            file.mux(audio.encode(None))
        file.mux(video.encode(None))
        file.close()
        return Path(place.name).read_bytes()


def sound(pitch: int, *, seed: int, seconds: float = 2.0) -> bytes:
    """Return a WAV of a low (0) or high (1) tone in noise; of noise alone where it is 2."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(_tone(pitch, seconds, np.random.default_rng(seed)).astype("<i2").tobytes())
    return data.getvalue()


def write_pairs(folder: Path, count: int, *, planted: Planted = "both") -> Path:
    """Write clips to ``data/<class>/video`` and ``data/<class>/audio``, their classes planted in one or both."""
    for number in range(count):
        label = number % 2
        seen = label if planted in ("video", "both") else 2
        heard = label if planted in ("audio", "both") else 2
        parts = {"video": (".mp4", film([seen], seed=number)), "audio": (".wav", sound(heard, seed=number))}
        for side, (ending, data) in parts.items():
            path = folder / "data" / CLASSES[label] / side / f"{number:04}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder


def write_films(folder: Path, count: int, *, parts: int = 4) -> Path:
    """Write films of several parts, each of a class, and ``clips.csv`` that says so."""
    rows = ["file,start,end,label"]
    rng = np.random.default_rng(5)
    (folder / "films").mkdir(parents=True)
    for number in range(count):
        labels = rng.permutation(np.arange(parts) % 2).tolist()
        (folder / "films" / f"{number:02}.mp4").write_bytes(film(labels, seed=number, wave_of=labels))
        rows += [f"films/{number:02}.mp4,{2 * n},{2 * n + 2},{CLASSES[label]}" for n, label in enumerate(labels)]
    (folder / "clips.csv").write_text("\n".join([*rows, ""]))
    return folder


def _picture(pattern: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    pixels = rng.normal(70, 15, (SIDE, SIDE, 3))
    at = int(rng.integers(4, SIDE - 8))
    if pattern == 0:
        pixels[at : at + 5] += 120
    elif pattern == 1:
        pixels[:, at : at + 5] += 120
    return pixels.clip(0, 255).astype(np.uint8)


def _tone(pitch: int, seconds: float, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    at = np.arange(round(seconds * RATE)) / RATE
    noise = rng.normal(0, 2000, len(at))
    return noise if pitch == 2 else noise + 9000 * np.sin(2 * np.pi * (400, 1500)[pitch] * at + rng.uniform(0, 6))
