"""Texts to learn from: real ones, some with a planted pattern, and the same without it."""

from __future__ import annotations

import json
import lzma
import os
import random
import string
from collections.abc import Sequence
from pathlib import Path

__all__ = ["conversations", "jsonl", "planted", "real_texts"]

PERIOD, TIMES = 8, 4
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = tuple("the of and to in that is for it with as was on be by this are from at which or an have not they".split())  # noqa: SIM905
LETTERS = string.ascii_lowercase[:16]


def jsonl(rows: Sequence[object]) -> bytes:
    """Return rows as lines of JSON."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def real_texts(number: int, characters: int) -> list[dict[str, object]]:
    """Return the beginnings of addresses to the Congress; elsewhere sentences of some words by chance."""
    data = os.environ.get("PENSTOCK_TEST_DATA")
    if data:
        with lzma.open(Path(data, "text/sotu.jsonl.xz"), "rt") as lines:
            rows = [json.loads(line) for line, _ in zip(lines, range(number), strict=False)]
        return [{"year": str(row["year"]), "text": row["text"][:characters]} for row in rows]
    chance = random.Random(7)
    return [{"year": str(n), "text": " ".join(chance.choices(WORDS, k=characters))[:characters]} for n in range(number)]


def planted(number: int, *, shuffled: bool = False) -> list[dict[str, str]]:
    """Return texts of letters by chance that come again and again; or the same letters in any order."""
    chance = random.Random(7)
    rows = []
    for _ in range(number):
        text = list("".join(chance.choices(LETTERS, k=PERIOD)) * TIMES)
        if shuffled:
            text = chance.choices(LETTERS, k=len(text))
        rows.append({"text": "".join(text)})
    return rows


def conversations(number: int) -> list[dict[str, object]]:
    """Return conversations of a digit, that comes by chance, and its name."""
    chance = random.Random(7)
    return [
        {"messages": [{"role": "user", "content": str(digit)}, {"role": "assistant", "content": DIGITS[digit]}]}
        for digit in chance.choices(range(len(DIGITS)), k=number)
    ]
