"""Signals of the generated dataset: background, rhythm and scalp patterns of a made-up head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["RATE_HZ", "Scalp", "make_alpha", "make_background", "make_scalp"]

RATE_HZ: Final = 100
NOISE_MICROVOLTS: Final = 10.0
NUM_NOISE_SOURCES: Final = 16
SENSOR_NOISE: Final = 0.25
ALPHA_HZ: Final = 10.0

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scalp:
    """What all subjects share: pool of background (channels, times), scalp patterns (channels,)."""

    pool: Array
    wave: Array
    alpha: Array


def make_scalp(rng: np.random.Generator, num_channels: int, times: int) -> Scalp:
    """Place the sensors on a spiral over a half sphere, and sources of noise below it."""
    height = (np.arange(num_channels) + 0.5) / num_channels
    angle = np.arange(num_channels) * math.pi * (3 - math.sqrt(5))
    radius = np.sqrt(1 - height**2)
    sensors = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    sources = rng.normal(size=(NUM_NOISE_SOURCES, 3))
    sources *= 0.8 / np.linalg.norm(sources, axis=1, keepdims=True)
    polarity = rng.choice([-1.0, 1.0], size=NUM_NOISE_SOURCES)
    mixing = np.exp(-((sensors[:, None] - sources[None]) ** 2).sum(axis=2) / 0.5) * polarity
    length = 1 << (times - 1).bit_length()
    pool = mixing.astype(np.float32) @ _pink(rng, NUM_NOISE_SOURCES, length)
    pool /= pool.std(axis=1, keepdims=True)
    pool += SENSOR_NOISE * rng.standard_normal(pool.shape, dtype=np.float32)
    pool *= NOISE_MICROVOLTS / pool.std(axis=1, keepdims=True)
    return Scalp(
        pool=pool,
        wave=_pattern(sensors, (0.0, -0.4, 0.9)) - np.float32(0.5) * _pattern(sensors, (0.0, 0.9, 0.3)),
        alpha=_pattern(sensors, (0.0, -1.0, 0.3)),
    )


def _pattern(sensors: NDArray[np.float64], centre: tuple[float, float, float]) -> Array:
    pattern: Array = np.exp(-((sensors - centre) ** 2).sum(axis=1) / 0.4).astype(np.float32)
    return pattern


def _pink(rng: np.random.Generator, rows: int, length: int) -> Array:
    """Return noise whose power falls with frequency above 0.5 Hz, as after a high-pass filter, shape (rows, length)."""
    frequency = np.fft.rfftfreq(length, 1 / RATE_HZ)
    weight = np.sqrt(frequency / (0.5**2 + frequency**2)).astype(np.float32)
    white = rng.standard_normal((rows, len(frequency), 2), dtype=np.float32).view(np.complex64)[..., 0]
    noise: Array = np.fft.irfft(white * weight, n=length, axis=1).astype(np.float32)
    noise /= noise.std(axis=1, keepdims=True)
    return noise


def make_background(rng: np.random.Generator, pool: Array, length: int) -> Array:
    """Mix two shifted copies of the pool, shape (channels, length), in microvolts."""
    angle = rng.uniform(0, 2 * math.pi)
    signal = _shifted(pool, int(rng.integers(pool.shape[1])), length) * np.float32(math.cos(angle))
    signal += _shifted(pool, int(rng.integers(pool.shape[1])), length) * np.float32(math.sin(angle))
    return signal


def _shifted(pool: Array, first: int, length: int) -> Array:
    rest = length - (pool.shape[1] - first)
    return pool[:, first : first + length] if rest <= 0 else np.concatenate([pool[:, first:], pool[:, :rest]], axis=1)


def make_alpha(rng: np.random.Generator, length: int) -> Array:
    """Return a rhythm around 10 Hz that waxes and wanes, of root mean square 1, shape (length,)."""
    frequency = np.fft.rfftfreq(length, 1 / RATE_HZ)
    white = rng.standard_normal((len(frequency), 2)).view(np.complex128)[:, 0]
    rhythm = np.fft.irfft(white * np.exp(-((frequency - ALPHA_HZ) ** 2) / 2), n=length)
    return np.asarray(rhythm / rhythm.std(), dtype=np.float32)
