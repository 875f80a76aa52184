"""Filters and resampling of signals, with the numbers that MNE-Python gives by its usual settings.

A filter is a finite one of zero phase, made of windowed sincs (Hamming), as ``mne.filter.filter_data`` and
``notch_filter`` design it; resampling is that of ``mne.filter.resample(method="polyphase")``. Both need finitely many
samples beside those that they give, so a part of a signal comes out as if the whole had gone through: near the
signal's own ends, which are mirrored, as well.

Frequencies are in Hz. Shapes: C channels, T times, K taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Run", "band_taps", "filtered", "notch_taps", "reach_of_resampling", "resampled"]

_TAPS_PER_TRANSITION: Final = 3.3
"""Taps of a Hamming window times the transition's width in parts of the rate."""
_NOTCH_WIDTH: Final = 1 / 200
"""Of its frequency."""
_NOTCH_TRANSITION: Final = 0.5
"""Hz on either side."""
_ZERO_CROSSINGS: Final = 10
"""Of the sinc that resampling is done with, on either side."""
_KAISER: Final = 5.0
_MOST_TAPS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """Samples ``first`` and on, (C, T), of a signal that has those from ``low`` to before ``high``."""

    values: NDArray[np.float64]
    first: int
    low: int
    high: int


@lru_cache(maxsize=64)
def band_taps(rate_hz: float, low: float | None, high: float | None) -> NDArray[np.float64]:
    """Return the taps, (K,), K odd, of what lets pass from ``low`` to ``high``; None is no bound.

    Raises:
        ValueError: a bound is not below half the rate, or the filter is too long.
    """
    if max(low or 0.0, high or 0.0) >= rate_hz / 2:
        raise ValueError(f"they hold nothing of {max(low or 0.0, high or 0.0):g} Hz")
    edges, gains, transitions = [], [], []
    if low is not None:
        width = min(max(low / 4, 2.0), low)
        edges, gains = ([0.0] if low > width else []) + [low - width, low], [0] * (1 + (low > width)) + [1]
        transitions.append(width)
    else:
        edges, gains = [0.0], [1]
    if high is not None:
        width = min(max(high / 4, 2.0), rate_hz / 2 - high)
        edges, gains = [*edges, high, high + width], [*gains, 1, 0]
        transitions.append(width)
    if edges[-1] < rate_hz / 2:
        edges, gains = [*edges, rate_hz / 2], [*gains, gains[-1]]
    return _designed(rate_hz, edges, gains, min(transitions))


@lru_cache(maxsize=64)
def notch_taps(rate_hz: float, notches: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the taps, (K,), K odd, of what stops narrow bands.

    Raises:
        ValueError: a band does not lie between 0 and half the rate, or two overlap.
    """
    edges, gains = [0.0], [1]
    told = ", ".join(f"{notch:g}" for notch in notches)
    for notch in sorted(notches):
        half = notch * _NOTCH_WIDTH / 2
        outer = half + _NOTCH_TRANSITION
        edges += [notch - outer, notch - half, notch + half, notch + outer]
        gains += [1, 0, 0, 1]
    edges, gains = [*edges, rate_hz / 2], [*gains, 1]
    if any(below > above for below, above in pairwise(edges)):
        raise ValueError(
            f"bands of {_NOTCH_TRANSITION:g} Hz and more around {told} Hz overlap, or are not below half of it"
        )
    return _designed(rate_hz, edges, gains, _NOTCH_TRANSITION)


def _designed(rate_hz: float, edges: Sequence[float], gains: Sequence[int], transition: float) -> NDArray[np.float64]:
    num_taps = int(np.ceil(_TAPS_PER_TRANSITION / transition * rate_hz))
    num_taps += 1 - num_taps % 2
    if num_taps > _MOST_TAPS:
        raise ValueError(f"a filter of {num_taps} taps is wanted, {_MOST_TAPS} is the most")
    taps = np.zeros(num_taps)
    taps[num_taps // 2] = gains[-1]
    steps = [(step, gain) for step, gain in zip(pairwise(edges), pairwise(gains), strict=True) if gain[0] != gain[1]]
    for (below, above), (gain, _) in reversed(steps):
        own = round(_TAPS_PER_TRANSITION * rate_hz / (above - below))
        own += 1 - own % 2
        at = (num_taps - own) // 2
        taps[at : num_taps - at] += (1 if gain else -1) * _low_pass((below + above) / rate_hz, np.hamming(own))
    taps.setflags(write=False)
    return taps


def _low_pass(cutoff: float, window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a windowed sinc, which leaves a constant as it is; the cutoff is in parts of half the rate."""
    at = np.arange(len(window)) - (len(window) - 1) / 2
    taps = np.sinc(cutoff * at) * window
    scaled: NDArray[np.float64] = taps / taps.sum()
    return scaled


def filtered(run: Run, taps: NDArray[np.float64], first: int, last: int) -> Run:
    """Return the samples from ``first`` to before ``last`` of the filtered signal.

    Args:
        run: has half of the taps more on either side, or what there is.
    """
    half = len(taps) // 2
    values = _mirrored(run, np.arange(first - half, last + half))
    size = _fast_size(values.shape[1])
    product = np.fft.rfft(values, size) * np.fft.rfft(taps, size)
    return Run(np.fft.irfft(product, size)[:, 2 * half : values.shape[1]], first, run.low, run.high)


def _mirrored(run: Run, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return samples of a signal that goes on beyond its ends turned about its end points, then as zeros."""
    low, last = run.low, run.high - 1
    inside = np.clip(np.where(numbers < low, 2 * low - numbers, np.where(numbers > last, 2 * last - numbers, numbers)),
                     low, last)  # fmt: skip
    values = run.values[:, inside - run.first]
    for beyond, end in ((numbers < low, low), (numbers > last, last)):
        if beyond.any():
            values[:, beyond] = 2 * run.values[:, [end - run.first]] - values[:, beyond]
    values[:, (numbers < 2 * low - last) | (numbers > 2 * last - low)] = 0
    return values


def _fast_size(least: int) -> int:
    """Return a length of FFTs that is quick, and at least so long."""
    return min(odd << max(0, ((least - 1) // odd).bit_length()) for odd in (1, 3, 5))


def reach_of_resampling(up: int, down: int, first: int, last: int) -> tuple[int, int]:
    """Return the first sample and the one after the last that outputs from ``first`` to before ``last`` are made of."""
    half = _ZERO_CROSSINGS * max(up, down)
    return -((half - first * down) // up), ((last - 1) * down + half) // up + 1


def resampled(run: Run, up: int, down: int, first: int, last: int) -> NDArray[np.float64]:
    """Return samples ``first`` to before ``last``, (C, T), of the signal at ``up / down`` of its rate.

    Args:
        run: has what ``reach_of_resampling`` says, or what there is; sample 0 of both rates is at one time.
    """
    half = _ZERO_CROSSINGS * max(up, down)
    taps = up * _kaiser_taps(up, down)
    at = np.arange(first, last) * down - half
    begin = -(-at // up)
    begin_tap = 2 * half - (begin * up - at)
    period = max(1, 2 * (run.high - run.low - 1))
    found = np.zeros((run.values.shape[0], last - first))
    for number in range(2 * half // up + 1):
        tap = begin_tap - number * up
        folded = np.abs(begin + number - run.low) % period
        folded = np.where(folded > period // 2, period - folded, folded) + run.low - run.first
        weight = np.where(tap >= 0, taps[tap], 0.0)
        found += weight * run.values[:, np.where(tap >= 0, folded, 0)]
    return found


@lru_cache(maxsize=16)
def _kaiser_taps(up: int, down: int) -> NDArray[np.float64]:
    most = max(up, down)
    return _low_pass(1 / most, np.kaiser(2 * _ZERO_CROSSINGS * most + 1, _KAISER))
