"""Mel-frequency cepstral coefficients, by numpy alone.

As Davis and Mermelstein have them ("Comparison of parametric representations for monosyllabic word recognition in
continuously spoken sentences", IEEE Transactions on Acoustics, Speech and Signal Processing 28, 1980), with the usual
settings of speech: frames of 25 ms every 10 ms under a Hann window, 64 triangular filters on the mel scale of HTK's
(2595 log10(1 + f/700)), decibels down to 80 below the loudest, an orthonormal DCT-II.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["mfcc"]

FRAME_SECONDS: Final = 0.025
HOP_SECONDS: Final = 0.010
NUM_MELS: Final = 64
DYNAMIC_DB: Final = 80.0
_TINY: Final = 1e-10
_FRAMES_AT_ONCE: Final = 4096

Floats = NDArray[np.float64]


def mfcc(sound: NDArray[np.float32], rate: int, *, coefficients: int, steps: int) -> NDArray[np.float32]:
    """Return coefficients of a sound as means over parts of equal length.

    Args:
        sound: of one channel, shape (samples,), at least one.
        rate: samples a second.
        coefficients: how many of each part, at most 64; the first tells how loud it is.
        steps: parts.

    Returns:
        Shape (coefficients, steps). A part that is shorter than the 10 ms between frames has those of the frame that it
        lies in.
    """
    powers = _mel_powers(np.asarray(sound, np.float64), rate)
    decibels = 10.0 * np.log10(np.maximum(powers, _TINY))
    decibels = np.maximum(decibels, decibels.max() - DYNAMIC_DB)
    of_frames = decibels @ _cosines(NUM_MELS)[:coefficients].T
    return np.ascontiguousarray(_means(of_frames, steps).T, dtype=np.float32)


def _mel_powers(sound: Floats, rate: int) -> Floats:
    """Return the power in each filter, shape (frames, filters); the first frame's middle is the first sample."""
    length, hop = round(FRAME_SECONDS * rate), round(HOP_SECONDS * rate)
    width = 1 << (length - 1).bit_length()
    padded = np.pad(sound, (length // 2, length))
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[: len(sound) : hop]
    window = np.hanning(length + 1)[:-1]
    filters = _filters(rate, width).T
    parts = [frames[first : first + _FRAMES_AT_ONCE] for first in range(0, len(frames), _FRAMES_AT_ONCE)]
    return np.concatenate([np.abs(np.fft.rfft(part * window, width)) ** 2 @ filters for part in parts])


@lru_cache(maxsize=8)
def _filters(rate: int, width: int) -> Floats:
    """Return triangular filters of equal width in mel, shape (filters, width // 2 + 1)."""
    top = 2595.0 * np.log10(1.0 + rate / 2 / 700.0)
    corners = 700.0 * (10.0 ** (np.linspace(0.0, top, NUM_MELS + 2) / 2595.0) - 1.0)
    bins = np.fft.rfftfreq(width, 1.0 / rate)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    found: Floats = np.maximum(0.0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    return found


@lru_cache(maxsize=8)
def _cosines(count: int) -> Floats:
    """Return the orthonormal DCT-II as a matrix, shape (coefficients, values)."""
    number, place = np.arange(count)[:, None], np.arange(count)[None]
    matrix: Floats = np.cos(np.pi * number * (2 * place + 1) / (2 * count)) * np.sqrt(2.0 / count)
    matrix[0] /= np.sqrt(2.0)
    return matrix


def _means(values: Floats, steps: int) -> Floats:
    """Return the means over parts of equal length, shape (steps, ...)."""
    edges = np.arange(steps + 1) * len(values) / steps
    firsts = np.minimum(edges[:-1].astype(np.int64), len(values) - 1)
    ends = np.maximum(np.ceil(edges[1:] - 1e-9).astype(np.int64), firsts + 1)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    means: Floats = (sums[ends] - sums[firsts]) / (ends - firsts)[:, None]
    return means
