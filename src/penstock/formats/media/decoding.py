"""Clips decoded from a file in memory, by PyAV: whatever FFmpeg raises is told of the object and the time.

One pass is made over a file, however many of its clips are asked for; nothing is kept but what they are made of.
A file of a few bytes can tell of any number of pixels: what is decoded is bounded by the bytes that it is decoded from.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from penstock.errors import ConfigError, DataError, TruncatedObject
from penstock.extras import import_extra
from penstock.formats.media.choosing import wanted_times
from penstock.formats.media.containers import check_streams, check_words
from penstock.formats.media.gathering import Frames, Sound, TooMuch
from penstock.formats.media.kept import File
from penstock.formats.media.packets import frames_of
from penstock.formats.media.pixels import Look
from penstock.units import format_bytes

__all__ = ["Asked", "decode_clips", "measured", "missing", "need_av", "origin_of"]

_MOST_PIXELS: Final = str(1 << 26)
"""Of a frame."""
_STRICT: Final = "crccheck+bitstream+buffer+explode"
"""Else FFmpeg hides what is damaged behind what it makes up."""
_FREE_PIXELS: Final = 1 << 34
_PIXELS_A_BYTE: Final = 1 << 16
_TELLS_LENGTH: Final = frozenset({"avi", "wav", "flac", "flv", "asf", "aiff", "caf"})
"""Containers whose head tells how long they are."""
_CUT_SECONDS: Final = 0.5
_FROM_FIRST: Final = frozenset({"mpegts", "mpeg"})
"""Containers whose time begins anywhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is asked of each clip.

    Attributes:
        video, audio: whether pictures and sound are.
        main: what a file's length is that of.
        frames, fps: how many frames, or how many a second; all where both are None.
        rate, channels: of sound; the file's where they are None.
        is_lenient: give None where a file has no pictures or no sound.
        memory: bytes that the values may take.
    """

    video: bool
    audio: bool
    main: Literal["video", "audio"]
    look: Look
    frames: int | None = None
    fps: float | None = None
    rate: int | None = None
    channels: int | None = None
    is_lenient: bool = False
    memory: int = 1 << 30


@dataclass(kw_only=True, slots=True)
class _Budget:
    """What may still be decoded and kept."""

    bytes_left: int
    pixels_left: int

    def take(self, num_bytes: int) -> None:
        self.bytes_left -= num_bytes
        if self.bytes_left < 0:
            raise TooMuch

    def see(self, frame: Any) -> None:
        self.pixels_left -= frame.width * frame.height
        if self.pixels_left < 0:
            raise ValueError("it decodes to more pixels than so few bytes can mean")


@dataclass(kw_only=True, slots=True)
class _Gathered:
    """A clip that is being gathered."""

    clip: tuple[float, float | None]
    frames: Frames | None = None
    sound: Sound | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing more is wanted."""
        return all(taker.is_done for taker in (self.frames, self.sound) if taker is not None)

    def add(self, kind: str, time: float, frame: Any) -> None:
        """Take a frame."""
        taker = self.frames if kind == "video" else self.sound
        if taker is not None:
            taker.add(time, frame)


def need_av() -> Any:
    """Return PyAV, which says nothing on standard error.

    Raises:
        ConfigError: it is not there.
    """
    av = import_extra("av", "video", what="video and audio are decoded by PyAV", instead="take the objects as bytes")
    av.logging.set_level(None)
    return av


def measured(data: bytes, container: str, *, key: str) -> dict[str, tuple[float, float]]:
    """Return when pictures and sound begin and end, in seconds, by all packets of a file.

    Raises:
        DataError: it cannot be read.
        TruncatedObject: it ends before its head says.
    """
    found: dict[str, tuple[float, float]] = {}
    told: dict[str, float] = {}
    with _opened(data, container, key=key, at=[0.0]) as file:
        streams = _streams(file, ("video", "audio"))
        for packet in file.demux(list(streams.values())) if streams else ():
            kind = packet.stream.type
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is None or packet.time_base is None:
                continue
            begin = float(stamp * packet.time_base)
            end = begin + float((packet.duration or 0) * packet.time_base)
            before = found.get(kind, (begin, end))
            found[kind] = (min(before[0], begin), max(before[1], end))
        for kind, stream in streams.items():
            if stream.duration is not None and stream.time_base is not None:
                told[kind] = float(stream.duration * stream.time_base)
    for kind, length in told.items() if container in _TELLS_LENGTH else ():
        if length > found.get(kind, (0.0, 0.0))[1] + _CUT_SECONDS:
            raise TruncatedObject(
                f"{key} was cut off: it says that it has {length:.2f} s of {kind}, and has "
                f"{found.get(kind, (0.0, 0.0))[1]:.2f} s",
                fix="upload it again, or leave it out",
                about=key,
            )
    return found


def decode_clips(file: File, asked: Asked, *, key: str) -> list[dict[str, Any]]:
    """Return the values of some clips of a file, in the order asked for.

    Raises:
        DataError: it cannot be decoded; names the object and the time.
    """
    at = [0.0]
    lengths: dict[str, tuple[float, float]] = {}
    shifts = file.shifts
    if shifts is None:
        lengths = measured(file.data, file.container, key=key)
        origin = origin_of(lengths, file.container)
        shifts = dict.fromkeys(("video", "audio"), -origin)
        lengths = {kind: (begin - origin, end - origin) for kind, (begin, end) in lengths.items()}
    with _opened(file.data, file.container, key=key, at=at, memory=asked.memory) as opened:
        streams = _streams(opened, tuple(kind for kind in ("video", "audio") if getattr(asked, kind)))
        _check_streams(streams, asked, key)
        budget = _Budget(bytes_left=asked.memory, pixels_left=max(_FREE_PIXELS, len(file.data) * _PIXELS_A_BYTE))
        gathered = [_gathered(clip, asked, streams, lengths, budget) for clip in file.clips]
        begin = min(each.clip[0] for each in gathered)
        for kind, frame in frames_of(opened, streams, at, shifts=shifts, breaks=file.breaks, begin=begin):
            if kind == "video":
                budget.see(frame)
            for each in gathered:
                each.add(kind, at[0], frame)
            if all(each.is_done for each in gathered):
                break
        return [_value(each, asked) for each in gathered]


def origin_of(lengths: Mapping[str, tuple[float, float]], container: str) -> float:
    """Return the time that is a file's begin, of when its pictures and its sound begin and end."""
    return min((begin for begin, _ in lengths.values()), default=0.0) if container in _FROM_FIRST else 0.0


@contextmanager
def _opened(data: bytes, container: str, *, key: str, at: list[float], memory: int = 0) -> Iterator[Any]:
    """Open a file; what is raised within is told of the object and of the time that ``at`` holds."""
    av = need_av()
    fix = "write it again, or leave it out"
    try:
        if container in ("avi", "wav"):
            check_words(data)
        if container == "mpegts":
            check_streams(data)
        with av.open(
            io.BytesIO(data), format=container, options={"protocol_whitelist": "none"}, metadata_errors="replace"
        ) as file:
            yield file
    except (DataError, ConfigError):
        raise
    except TooMuch:
        raise DataError(
            f"what is asked of {key} takes more than memory={format_bytes(memory)}",
            fix="ask for fewer frames, a smaller size or shorter clips, or give more memory",
            about=key,
        ) from None
    except Exception as error:  # FFmpeg's errors are of many classes, and its values too large for Python's types
        if isinstance(error, MemoryError) and not isinstance(error, av.FFmpegError):
            raise  # FFmpeg's is of what a damaged file asks for
        what = " ".join(str(getattr(error, "strerror", "") or error).split())[:200]
        raise DataError(f"{key} cannot be decoded at {at[0]:.2f} s: {what}", fix=fix, about=key) from error


def _streams(file: Any, kinds: Sequence[str]) -> dict[str, Any]:
    """Return the first stream of each kind that there is; pictures that are attached to sound are none."""
    found: dict[str, Any] = {}
    for stream in file.streams:
        is_cover = stream.type == "video" and int(stream.disposition) & _ATTACHED
        if stream.type in kinds and not is_cover and stream.type not in found:
            if stream.codec_context is None:
                raise ValueError(f"its {stream.type} is of a codec that is not known")
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            options = {"err_detect": _STRICT}
            stream.codec_context.options = options | ({"max_pixels": _MOST_PIXELS} if stream.type == "video" else {})
            found[stream.type] = stream
    return found


_ATTACHED: Final = 0x400


def _check_streams(streams: Mapping[str, Any], asked: Asked, key: str) -> None:
    for kind in ("video", "audio"):
        if getattr(asked, kind) and kind not in streams and not (asked.is_lenient and streams):
            raise missing(kind, key)


def missing(kind: str, key: str) -> DataError:
    """Return what tells that a file has no pictures, or no sound."""
    what = {"video": "no video", "audio": "no audio"}[kind]
    return DataError(f"{key} has {what}", fix='leave it out, or give missing="none"', about=key)


def _gathered(
    clip: tuple[float, float | None],
    asked: Asked,
    streams: Mapping[str, Any],
    lengths: Mapping[str, tuple[float, float]],
    budget: _Budget,
) -> _Gathered:
    start, end = clip
    made = _Gathered(clip=clip)
    if "video" in streams:
        stop = end if end is not None else lengths.get("video", (0.0, 0.0))[1]
        times = wanted_times((start, stop), frames=asked.frames, fps=asked.fps)
        made.frames = Frames((start, stop), times, asked.look, budget.take)
        made.clip = (start, stop)
    if "audio" in streams:
        made.sound = Sound(clip, asked.rate, asked.channels, budget.take)
    return made


def _value(each: _Gathered, asked: Asked) -> dict[str, Any]:
    """Return a clip's value."""
    start, end = each.clip
    made: dict[str, Any] = {}
    if asked.video:
        frames, times = (None, None) if each.frames is None else each.frames.value()
        made |= {"frames": frames, "times": times}
    if asked.audio:
        sound, rate = (None, None) if each.sound is None else each.sound.value()
        made |= {"audio": sound, "rate": rate}
        if end is None:
            end = start if sound is None or not rate else start + sound.shape[1] / rate
    return {**made, "start": start, "end": end}
