"""Generated texts for language models: letters by chance that come again after eight, more or less surely.

A letter is that of eight letters before with the probability ``effect``, else any of sixteen. So what a letter costs at
best is known: the first eight of a text cost ``log 16`` each, the others the entropy of that mixture.
"""

from __future__ import annotations

import json
import math
import string
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["bound_perplexity", "generate_texts"]

LETTERS: Final = string.ascii_lowercase[:16]
PERIOD: Final = 8
LENGTH: Final = 32
"""Letters of a text; one more token ends it."""
SHARDS: Final = 4
TEXT_BYTES: Final = LENGTH + len('{"text": ""}\n')


def generate_texts(sink: Callable[[str, bytes], None], *, seed: int, effect: float, size_bytes: int) -> str:
    """Generate files of JSON lines, and say what they hold.

    Args:
        sink: takes each key and its bytes.
        seed: the same seed gives the same bytes.
        effect: how surely a letter is that of eight letters before, 0 to 1.
        size_bytes: of all files together, about.
    """
    rng = np.random.default_rng(seed)
    count = max(SHARDS, round(size_bytes / TEXT_BYTES / SHARDS) * SHARDS)
    for number in range(SHARDS):
        texts = _letters(rng, count // SHARDS, effect)
        lines = [json.dumps({"text": "".join(LETTERS[letter] for letter in text)}) for text in texts]
        sink(f"data/train-{number:05}-of-{SHARDS:05}.jsonl", "\n".join([*lines, ""]).encode())
    return f"{count:,} texts"


def _letters(rng: np.random.Generator, count: int, effect: float) -> NDArray[np.int64]:
    """Return the numbers of letters, shape (count, LENGTH)."""
    letters = rng.integers(len(LETTERS), size=(count, LENGTH))
    is_again = rng.random((count, LENGTH)) < effect
    for place in range(PERIOD, LENGTH):
        letters[:, place] = np.where(is_again[:, place], letters[:, place - PERIOD], letters[:, place])
    return letters


def bound_perplexity(effect: float) -> float:
    """Return the least perplexity that any model can reach on average; the first letter is not scored."""
    likely = effect + (1 - effect) / len(LETTERS)
    others = (1 - likely) / (len(LETTERS) - 1)
    entropy = -likely * math.log(likely) - (len(LETTERS) - 1) * (others * math.log(others) if others > 0 else 0.0)
    nats = (PERIOD - 1) * math.log(len(LETTERS)) + (LENGTH - PERIOD) * entropy
    return math.exp(nats / LENGTH)  # the end costs nothing: all texts are equally long
