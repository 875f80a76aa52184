"""What the fuzzer begins with is read, and what it found stays mended.

An input that it found lies in ``fuzzed``, in a folder by its parser's name, as ``benchmarks.fuzz`` feeds it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from benchmarks.fuzz.parsers import PARSERS, Made
from benchmarks.fuzz.targets import NEEDS, TARGETS
from penstock.errors import PenstockError

FOUND = Path(__file__).parent / "fuzzed"


@cache
def made(name: str) -> Made:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    return TARGETS[name]()


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


@pytest.mark.parametrize("name", PARSERS)
def test_examples_and_their_beginnings_are_read_or_refused(name: str) -> None:
    examples, feed = made(name)
    for example in examples[:6]:
        for data in (example, example[: len(example) // 2], example[:-1], example[:2], b""):
            try:
                feed(data)
            except PenstockError:
                continue


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_is_refused_by_errors_of_ours(path: Path) -> None:
    name = next(each for each in TARGETS if slug(each) == path.parent.name)
    try:
        made(name)[1](path.read_bytes())
    except PenstockError:
        return
