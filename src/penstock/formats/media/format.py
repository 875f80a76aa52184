"""The formats of video and audio."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.formats.media.choosing import MOST_FRAMES, Cutting, cutting_of
from penstock.formats.media.decoding import Asked, decode_clips
from penstock.formats.media.indexing import index_media, joined_file
from penstock.formats.media.pixels import Fit, Look, size_asked
from penstock.formats.options import flag_of, size_of
from penstock.formats.protocols import Found
from penstock.formats.whole import bytes_of
from penstock.manifest import Described
from penstock.sources import GetRange, ObjectInfo
from penstock.units import GIB

__all__ = ["Audio", "Video"]

Clips = Mapping[str, Any] | Sequence[Sequence[float]] | str | Path | None

_MISSING: Final = ("refuse", "none")
_FITS: Final = ("stretch", "crop", "pad")
_COLOURS: Final = ("rgb", "grey")
MOST_RATE: Final = 768_000
MOST_FPS: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Media(ABC):
    usual_split: ClassVar[str] = "group"

    @property
    @abstractmethod
    def _asked(self) -> Asked: ...

    @property
    @abstractmethod
    def _cutting(self) -> Cutting | None: ...

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a clip, or the whole object; the container's index alone is read, where it has one."""
        async for found in index_media(source, info, self._asked, self._cutting):
            yield found

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return clips: dictionaries of arrays."""
        file = joined_file(bytes_of(data), about, codec, numbers)
        return decode_clips(file, self._asked, key=about.key)

    def value(self, data: bytes, *, key: str) -> dict[str, Any]:
        """Return what a whole file means, that lies in memory.

        Raises:
            DataError: it cannot be decoded.
        """
        file = joined_file(data, None, "", np.zeros(1, np.int64), key=key)
        return decode_clips(file, self._asked, key=key)[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Video(_Media):
    """The format of video; values are dictionaries.

    ``frames``: uint8 (frames, height, width, channels); ``times``: when each begins, in seconds, float64 (frames,);
    ``audio``: float32 (channels, samples) from the clip's start to its end, where it is asked for, and its ``rate``;
    ``start`` and ``end`` in seconds.

    Attributes:
        clips: how each file is cut, ``{"seconds": 10, "stride": 5}`` (with ``"short": True`` the rest of each too), as
            a list ``[[start, end], ...]``, as such lists by objects' keys, or by a CSV table with key, start and end;
            None is whole files.
        frames: how many of each clip, evenly spaced.
        fps: how many a second; all where neither is given.
        size: ``[height, width]``, or one number for the shorter side.
        fit: how frames of another shape are brought to height and width: "stretch", "crop", "pad" (with black).
        colour: "rgb" or "grey".
        audio: give the sound too.
        rate: samples a second of it; None is the file's.
        channels: 1 or 2; None are the file's.
        missing: "refuse" files without video (or, where it is asked for, audio), or give "none" for it.
        memory: that a sample may take, and a file that has no index, like ``"1Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    clips: Clips = None
    frames: int | None = None
    fps: float | None = None
    size: int | Sequence[int] | None = None
    fit: Fit = "stretch"
    colour: Literal["rgb", "grey"] = "rgb"
    audio: bool = False
    rate: int | None = None
    channels: int | None = None
    missing: Literal["refuse", "none"] = "refuse"
    memory: str | int = GIB

    def __post_init__(self) -> None:
        if self.frames is not None and self.fps is not None:
            raise ConfigError("frames and fps", fix="give one of them: a number, or a number a second")
        _check_whole("frames", self.frames, MOST_FRAMES)
        _check_number("fps", self.fps, MOST_FPS)
        object.__setattr__(self, "size", size_asked(self.size))
        _check_choice("fit", self.fit, _FITS)
        _check_choice("colour", self.colour, _COLOURS)
        if not flag_of("audio", self.audio) and (self.rate is not None or self.channels is not None):
            name = "rate" if self.rate is not None else "channels"
            raise ConfigError(f"{name} without audio", fix=f"give audio=True, or leave {name} out")
        if self.fit != "stretch" and not isinstance(self.size, tuple):
            raise ConfigError(f"fit={self.fit!r} without height and width", fix="give size=[height, width]")
        _check_common(self)

    @property
    def _asked(self) -> Asked:
        return Asked(
            video=True,
            audio=self.audio,
            main="video",
            look=Look(size=size_asked(self.size), fit=self.fit, colour=self.colour),
            frames=self.frames,
            fps=self.fps,
            rate=self.rate,
            channels=self.channels,
            is_lenient=self.missing == "none",
            memory=size_of("memory", self.memory),
        )

    @property
    def _cutting(self) -> Cutting | None:
        return cutting_of(self.clips)


@dataclass(frozen=True, kw_only=True, slots=True)
class Audio(_Media):
    """The format of audio, and of the sound of video; values are dictionaries.

    ``audio``: float32 (channels, samples) from the clip's start to its end; ``rate``; ``start`` and ``end`` in seconds.

    Attributes:
        clips: how each file is cut, as of video; None is whole files.
        rate: samples a second; None is the file's.
        channels: 1 or 2; None are the file's.
        memory: that a sample may take, and a file that has no index, like ``"1Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    clips: Clips = None
    rate: int | None = None
    channels: int | None = None
    memory: str | int = GIB

    def __post_init__(self) -> None:
        _check_common(self)

    @property
    def _asked(self) -> Asked:
        memory = size_of("memory", self.memory)
        return Asked(
            video=False, audio=True, main="audio", look=Look(), rate=self.rate, channels=self.channels, memory=memory
        )

    @property
    def _cutting(self) -> Cutting | None:
        return cutting_of(self.clips)


def _check_common(made: Any) -> None:
    """Check what video and audio have in common, and keep it as it is used."""
    _check_whole("rate", made.rate, MOST_RATE)
    if made.channels not in (None, 1, 2) or isinstance(made.channels, bool):
        raise ConfigError(f"channels {str(made.channels)[:80]!r}", fix="give 1 or 2, or leave it out for the file's")
    _check_choice("missing", getattr(made, "missing", "refuse"), _MISSING)
    object.__setattr__(made, "memory", size_of("memory", made.memory))
    object.__setattr__(made, "clips", cutting_of(made.clips))


def _check_choice(name: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(f"{name} {str(value)[:80]!r}", fix=f"choose one of: {', '.join(known)}")


def _check_whole(name: str, value: Any, most: int) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most):
        raise ConfigError(f"{name} {str(value)[:80]!r}", fix=f"give a whole number of 1 to {most}, or leave it out")


def _check_number(name: str, value: Any, most: int) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and math.isfinite(value) and 0 < value <= most):
        raise ConfigError(f"{name} {str(value)[:80]!r}", fix=f"give a number above 0, up to {most}, or leave it out")
