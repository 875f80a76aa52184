"""Filters and resampling: parts of a signal are what MNE-Python makes of the whole, to its rounding."""

from __future__ import annotations

from fractions import Fraction

import mne
import numpy as np
import pytest

from penstock.tasks.eeg.filters import Run, band_taps, filtered, notch_taps, reach_of_resampling, resampled

CLOSE = 1e-9
"""Of the standard deviation of what MNE gives."""
SHAPES = [(100, 3000), (256, 5120), (500, 700), (128, 1920), (100, 40)]


def signal(num: int) -> np.ndarray:
    """Return a wandering signal far off zero, as of a cap without a reference: shape (2, num)."""
    return np.random.default_rng(num).normal(size=(2, num)).cumsum(axis=1) * 1e-5 + 3e-3


def parts(num: int) -> list[tuple[int, int]]:
    return [(0, num), (0, num // 5 + 1), (num // 3, num // 3 + num // 5), (num - num // 5 - 1, num)]


@pytest.mark.parametrize(("rate", "num"), SHAPES)
@pytest.mark.parametrize(
    ("low", "high"), [(1, 40), (0.5, None), (None, 30), (8, 12), (0.1, 20), (3, None), (None, 49.9)]
)
def test_a_band(rate: int, num: int, low: float | None, high: float | None) -> None:
    whole, taps = signal(num), band_taps(rate, low, high)
    wanted = mne.filter.filter_data(whole, rate, low, high, verbose="error")
    half = len(taps) // 2
    for first, last in parts(num):
        begin, end = max(0, first - half), min(num, last + half)
        found = filtered(Run(whole[:, begin:end], begin, 0, num), taps, first, last)
        np.testing.assert_allclose(found.values, wanted[:, first:last], rtol=0, atol=CLOSE * wanted.std())


@pytest.mark.parametrize(("rate", "num"), SHAPES)
@pytest.mark.parametrize("notches", [(25.0,), (45.0,), (15.0, 30.0), (50.0, 100.0)])
def test_notches(rate: int, num: int, notches: tuple[float, ...]) -> None:
    if rate <= 2 * max(notches) + 2:
        with pytest.raises(ValueError, match="not below half"):
            notch_taps(rate, notches)
        return
    whole = signal(num)
    wanted = mne.filter.notch_filter(whole, rate, np.array(notches), verbose="error")
    found = filtered(Run(whole, 0, 0, num), notch_taps(rate, notches), 0, num)
    np.testing.assert_allclose(found.values, wanted, rtol=0, atol=CLOSE * wanted.std())


@pytest.mark.parametrize(("rate", "num"), SHAPES)
@pytest.mark.parametrize("new", [50, 64, 100, 128, 200, 250])
def test_resampling(rate: int, num: int, new: int) -> None:
    ratio = Fraction(new, rate)
    up, down = ratio.numerator, ratio.denominator
    if ratio == 1 or num % down:
        pytest.skip("MNE does nothing, or stretches time")
    whole = signal(num)
    wanted = mne.filter.resample(whole, new, rate, method="polyphase", verbose="error")
    for first, last in parts(wanted.shape[1]):
        begin, end = reach_of_resampling(up, down, first, last)
        begin, end = max(begin, 0), min(end, num)
        found = resampled(Run(whole[:, begin:end], begin, 0, num), up, down, first, last)
        np.testing.assert_allclose(found, wanted[:, first:last], rtol=0, atol=CLOSE * wanted.std())
