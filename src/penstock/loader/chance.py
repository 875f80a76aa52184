"""Chance that is a sample's own: the same in whatever process, order or batch the sample is made.

A transform is given a generator of its own. Decoders of a caller's that draw from the process's generators (``torch``,
``numpy.random``, ``random``) find them seeded for the sample, and the process finds them as it left them: what is
decoded here never changes what a training loop draws next, dropout for one.
"""

from __future__ import annotations

import _random
import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import xxhash

from penstock.loader.decoding import Decoding

__all__ = ["Chance", "IndexChance", "SampleChance", "chance_of", "own_generators"]

_OF_THE_PROCESS: Any = random.seed.__self__  # type: ignore[attr-defined]
"""The generator that the functions of ``random`` draw from."""


class Chance:
    """Random numbers of each sample's own: Philox, keyed by seed and stream index.

    A counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") is moved to another
    stream by setting its key, which takes 1 us; making a generator takes 14.
    """

    def __init__(self, seed: int) -> None:
        self._bits = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._bits)
        self._key = np.array([seed % 2**64, 0], dtype=np.uint64)
        self._start = self._bits.state
        self._start["state"]["key"] = self._key

    def of(self, index: int) -> np.random.Generator:
        """Return the sample's generator, good until that of the next one is asked for."""
        self._key[1] = index
        self._bits.state = self._start
        return self._generator


class SampleChance:
    """Random numbers by seed, epoch and key, wherever the sample stands in the order."""

    def __init__(self, seed: int) -> None:
        self._seed = seed % 2**64
        self._chance = Chance(seed)

    def seed(self, epoch: int, key: str, index: int | None = None) -> np.random.Generator:
        """Seed the process's generators for a sample; give one of its own, good until the next is asked for.

        It takes 15 us. Call it within ``own_generators``.
        """
        number = xxhash.xxh64_intdigest(f"{self._seed} {epoch} {key}".encode(errors="surrogatepass"))
        _random.Random.seed(_OF_THE_PROCESS, number)  # as random.seed, which takes three times as long
        _OF_THE_PROCESS.gauss_next = None
        np.random.seed(number % 2**32)
        torch.default_generator.manual_seed(number)
        return self._chance.of(number)


class IndexChance:
    """Random numbers by seed and stream index; the process's generators are not touched."""

    def __init__(self, seed: int) -> None:
        self._chance = Chance(seed)

    def seed(self, epoch: int, key: str, index: int | None = None) -> np.random.Generator | None:
        """Return the sample's generator, good until the next is asked for; None for what is no sample."""
        return None if index is None else self._chance.of(index)


def chance_of(decoding: Decoding, seed: int) -> SampleChance | IndexChance:
    """Return the chance of samples."""
    return IndexChance(seed) if decoding.is_pure else SampleChance(seed)


@contextlib.contextmanager
def own_generators() -> Iterator[None]:
    """Put the process's generators back as they were, whatever the block seeds or draws, and however it ends."""
    # torch's alone would do for a training loop; the others are the caller's too.
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    before = random.getstate(), np.random.get_state(legacy=False), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])
        if cuda is not None:
            torch.cuda.set_rng_state(cuda)
