"""Small files of video and audio whose frames tell which they are, and what to hold decoders of them against."""

from __future__ import annotations

import io
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

__all__ = ["film", "numbers_of", "origin_of", "sound_of", "tone"]

SIDE = 64
BITS = 8


def picture(number: int, height: int = SIDE, width: int = SIDE) -> np.ndarray[Any, Any]:
    """Return a picture of a number: stripes of black and white, the highest bit at the left."""
    bits = np.array([number >> bit & 1 for bit in range(BITS - 1, -1, -1)], np.uint8) * 200 + 20
    row = np.repeat(bits, width // BITS)
    return np.repeat(np.broadcast_to(row, (height, width))[:, :, None], 3, axis=2).copy()


def numbers_of(frames: np.ndarray[Any, Any]) -> list[int]:
    """Return the numbers of pictures, shape (frames, height, width, channels)."""
    width = frames.shape[2] // BITS
    middles = frames[:, frames.shape[1] // 2, width // 2 :: width, 0][:, :BITS] > 120
    return [int("".join("1" if bit else "0" for bit in row), 2) for row in middles]


def film(
    container: str,
    codec: str,
    *,
    count: int = 60,
    rate: int = 20,
    gop: int = 10,
    sound: str = "",
    times: list[int] | None = None,
    size: tuple[int, int] = (SIDE, SIDE),
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    sound_rate: int = 48000,
    sound_seconds: float | None = None,
) -> bytes:
    """Return a file of numbered pictures, with sound where its codec is named.

    Args:
        container: FFmpeg's name.
        times: of the pictures, in units of 1/rate; one behind the other where they are not given.
        size: height and width.
    """
    with (
        tempfile.NamedTemporaryFile() as place,  # some ways to write read again what they wrote
        av.open(place.name, "w", format=container, options=options or {}) as file,
    ):
        video: Any = file.add_stream(codec, rate=rate) if codec else None
        if video is not None:
            video.height, video.width = size
            video.pix_fmt, video.gop_size = pixels, gop
            video.options = codec_options or {}
            video.bit_rate = 400_000
            video.codec_context.thread_count = 1
        audio: Any = file.add_stream(sound, rate=sound_rate) if sound else None
        if audio is not None:
            audio.layout = "stereo"
        wave = tone(count / rate if sound_seconds is None else sound_seconds, sound_rate) if sound else None
        done = 0
        for number in range(count):
            at = number if times is None else times[number]
            if video is not None:
                frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24").reformat(format=pixels)
                frame.pts = at
                frame.time_base = Fraction(1, rate)
                file.mux(video.encode(frame))
            if audio is not None and wave is not None:
                upto = min(wave.shape[1], round((at + 1) / rate * sound_rate))
                done = _put(file, audio, wave, done, upto)
        if audio is not None and wave is not None:
            _put(file, audio, wave, done, wave.shape[1])
            file.mux(audio.encode(None))
        if video is not None:
            file.mux(video.encode(None))
        file.close()
        return Path(place.name).read_bytes()


def _put(file: Any, audio: Any, wave: Any, done: int, upto: int) -> int:
    if upto > done:
        kind = audio.codec_context.format.name
        part = np.ascontiguousarray(wave[:, done:upto])
        whole = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
        whole.sample_rate = audio.codec_context.sample_rate
        whole.pts = done
        for frame in av.AudioResampler(format=kind, layout="stereo", rate=whole.sample_rate).resample(whole):
            frame.pts = done
            file.mux(audio.encode(frame))
    return upto


def tone(seconds: float, rate: int) -> np.ndarray[Any, Any]:
    """Return a tone that rises, and its half beside it, shape (2, samples)."""
    at = np.arange(round(seconds * rate)) / rate
    left = 0.5 * np.sin(2 * np.pi * (200 * at + 100 * at * at))
    return np.stack([left, left / 2]).astype(np.float32)


def origin_of(data: bytes) -> float:
    """Return the time at which a file of MPEG-TS begins, in seconds; of others 0."""
    with av.open(io.BytesIO(data)) as file:
        if file.format.name != "mpegts":
            return 0.0
        return float(min(packet.pts * packet.time_base for packet in file.demux() if packet.pts is not None))


def sound_of(data: bytes, rate: int) -> np.ndarray[Any, Any]:
    """Return the sound of a whole file from the time 0 on, in mono."""
    parts: list[Any] = []
    with av.open(io.BytesIO(data)) as file:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
        first = None
        for frame in file.decode(audio=0):
            first = float(frame.pts * frame.time_base) if first is None else first
            frame.pts = None
            parts += [each.to_ndarray()[0] for each in resampler.resample(frame)]
        parts += [each.to_ndarray()[0] for each in resampler.resample(None)]
    whole = np.concatenate(parts)
    begin = round(((first or 0.0) - origin_of(data)) * rate)
    return np.concatenate([np.zeros(max(0, begin), np.float32), whole[max(0, -begin) :]])
