"""Coefficients of sound, beside scipy's parts of the same definition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from penstock.tasks.clips.sound import mfcc

RATE = 16_000


def by_scipy(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 32 coefficients of each frame of 25 ms, every 10 ms, shape (32, frames)."""
    window = scipy.signal.get_window("hann", 400)
    starts = np.arange(0, len(sound), 160)
    padded = np.concatenate([np.zeros(200), sound, np.zeros(400)])
    spectra = np.array([scipy.fft.rfft(padded[start : start + 400] * window, 512) for start in starts])
    corners = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 66) / 2595) - 1)
    bins = np.arange(257) * RATE / 512
    filters = np.array([np.interp(bins, corners[n : n + 3], [0, 1, 0], left=0, right=0) for n in range(64)])
    decibels = 10 * np.log10(np.maximum(np.abs(spectra) ** 2 @ filters.T, 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    found: NDArray[np.float64] = scipy.fft.dct(decibels, type=2, norm="ortho", axis=1)[:, :32].T
    return found


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_coefficients_are_those_of_their_definition(seconds: float) -> None:
    rng = np.random.default_rng(0)
    at = np.arange(round(seconds * RATE)) / RATE
    sound = (np.sin(2 * np.pi * 700 * at * (1 + at)) + rng.normal(0, 0.1, len(at))).astype(np.float32)
    wanted = by_scipy(sound.astype(np.float64))

    found = mfcc(sound, RATE, coefficients=32, steps=wanted.shape[1])

    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-3)
    whole = mfcc(sound, RATE, coefficients=32, steps=2)
    half = wanted.shape[1] // 2
    np.testing.assert_allclose(whole[:, 0], wanted[:, :half].mean(axis=1), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("samples", [1, 100, 16_000])
def test_any_length_gives_as_many_steps(samples: int) -> None:
    found = mfcc(np.ones(samples, np.float32), RATE, coefficients=5, steps=40)

    assert found.shape == (5, 40)
    assert np.isfinite(found).all()


def test_silence_is_a_number() -> None:
    assert np.isfinite(mfcc(np.zeros(1600, np.float32), RATE, coefficients=64, steps=2)).all()
