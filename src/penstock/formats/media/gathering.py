"""Frames and sound of one clip, gathered from what a decoder gives in the order of time. Bounded in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.formats.media.pixels import Look, pixels_of
from penstock.formats.media.tables import SAME_TIME

__all__ = ["Frames", "Sound", "TooMuch"]

_GAP_SECONDS: Final = 0.02
"""From which on what lies between two parts of sound is silence."""


class TooMuch(Exception):
    """A sample takes more memory than it may."""


class Frames:
    """Gathers frames: at each point in time the one that is seen then, or all that begin in a clip.

    Args:
        clip: start and end in seconds.
        times: points in time, ascending; None is all.
        take: is told the bytes of what is kept, before it is.
    """

    def __init__(
        self, clip: tuple[float, float], times: NDArray[np.float64] | None, look: Look, take: Callable[[int], None]
    ) -> None:
        self._clip, self._look, self._take = clip, look, take
        self._left = None if times is None else times.tolist()[::-1]
        self._last: tuple[float, Any] | None = None
        self._made: list[NDArray[np.uint8]] = []
        self._times: list[float] = []
        self._is_over = False

    @property
    def is_done(self) -> bool:
        """Whether nothing more is wanted."""
        return self._is_over or self._left == []

    def add(self, time: float, frame: Any) -> None:
        """Take a frame."""
        if self.is_done or (self._last is not None and time <= self._last[0] + SAME_TIME / 2):
            return
        start, end = self._clip
        if self._left is None:
            if time >= end - SAME_TIME:
                self._is_over = True
                return
            if time >= start - SAME_TIME:
                self._keep(time, frame)
        else:
            while self._left and self._left[-1] + SAME_TIME < time:
                self._left.pop()
                self._keep(*(self._last or (time, frame)))
        self._last = (time, frame)

    def value(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return the frames, shape (frames, height, width, channels), and when each begins, shape (frames,).

        Raises:
            ValueError: there are none, or they are of several sizes.
        """
        if self._last is None:
            raise ValueError("no frame can be decoded")
        for _ in self._left or () if self._left is not None else () if self._made else (1,):
            self._keep(*self._last)
        sizes = {frame.shape for frame in self._made}
        if len(sizes) > 1:
            told = " and ".join(sorted(f"{shape[1]} x {shape[0]}" for shape in sizes)[:2])
            raise ValueError(f"frames of {told}; choose a size for all")
        return np.stack(self._made), np.array(self._times, np.float64)

    def _keep(self, time: float, frame: Any) -> None:
        is_same = self._made and self._times[-1] == time
        made = self._made[-1] if is_same else pixels_of(frame, self._look)
        self._take(made.nbytes)
        self._made.append(made)
        self._times.append(time)


class Sound:
    """Gathers sound at one rate, in its place in a clip; silence where there is none.

    Args:
        clip: start and end in seconds; the end is None where it goes as far as the sound.
        rate: samples a second; None is the file's.
        channels: 1 or 2; None are the file's.
        take: is told the bytes of what is kept, before it is.
    """

    def __init__(
        self,
        clip: tuple[float, float | None],
        rate: int | None,
        channels: int | None,
        take: Callable[[int], None],
    ) -> None:
        self._clip, self._rate, self._channels, self._take = clip, rate, channels, take
        self._resampler: Any = None
        self._parts: list[tuple[int, NDArray[np.float32]]] = []
        self._run: list[NDArray[np.float32]] = []
        self._begins: list[float] = []
        self._heard = 0.0
        self._next: float | None = None
        self.is_done = False

    def add(self, time: float, frame: Any) -> None:
        """Take a frame."""
        start, end = self._clip
        length = frame.samples / frame.sample_rate
        if self.is_done or time + length <= start:
            return
        if end is not None and time >= end:
            self._flush()
            self.is_done = True
            return
        if self._next is None or abs(time - self._next) > _GAP_SECONDS:
            self._begin(frame)
        self._begins.append(time - self._heard)
        self._heard += length
        frame.pts = None
        self._put(self._resampler.resample(frame))
        self._next = time + length

    def value(self) -> tuple[NDArray[np.float32], int]:
        """Return the sound, shape (channels, samples), and its rate.

        Raises:
            ValueError: there is none.
        """
        self._flush()
        if not self._parts or self._rate is None or self._channels is None:
            raise ValueError("no sound can be decoded")
        start, end = self._clip
        last = max(at + part.shape[1] for at, part in self._parts)
        length = last if end is None else round((end - start) * self._rate)
        self._take(4 * length * self._channels)
        made = np.zeros((self._channels, max(0, length)), np.float32)
        for at, part in self._parts:
            begin, stop = max(0, at), min(length, at + part.shape[1])
            if begin < stop:
                made[:, begin:stop] = part[:, begin - at : stop - at]
        return made, self._rate

    def _begin(self, frame: Any) -> None:
        from av.audio.resampler import AudioResampler  # here: it is of an extra

        self._flush()
        self._rate = self._rate or frame.sample_rate
        self._channels = self._channels or frame.layout.nb_channels
        layout = {1: "mono", 2: "stereo"}.get(self._channels, frame.layout.name)
        self._resampler = AudioResampler(format="fltp", layout=layout, rate=self._rate)

    def _flush(self) -> None:
        """End a run of sound that lies together, and find its place.

        Containers round times, many to milliseconds: what lies in the middle of all that the run's frames say of its
        begin is far nearer.
        """
        if self._resampler is not None and self._rate is not None:
            self._put(self._resampler.resample(None))
            begin = (min(self._begins) + max(self._begins)) / 2
            at = round((begin - self._clip[0]) * self._rate)
            for part in self._run:
                self._parts.append((at, part))
                at += part.shape[1]
        self._resampler = self._next = None
        self._run, self._begins, self._heard = [], [], 0.0

    def _put(self, frames: list[Any]) -> None:
        for frame in frames:
            part = frame.to_ndarray()
            self._take(part.nbytes)
            self._run.append(part)
