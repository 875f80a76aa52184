"""Frameworks that start ranks in ways of their own give each its share; those that are not installed are skipped."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from integration.test_stream_ranks import TESTS, launch, torchrun
from support.objects import write_objects

NUM_OBJECTS = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects"), NUM_OBJECTS)


def needs(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install {name}")


@pytest.mark.parametrize("how", ["lightning", "accelerate", "debug", "spawn"])
def test_each_rank_is_given_its_share(folder: Path, tmp_path: Path, how: str) -> None:
    if how != "spawn":
        needs("lightning" if how == "lightning" else "accelerate")
    words = [sys.executable, str(TESTS / "support" / "framework_loop.py"), how, str(folder), str(tmp_path)]
    if how == "accelerate":
        words = torchrun("framework_loop.py", *words[2:])
    told = launch(words, out=tmp_path)
    assert len(told) == 2
    for epoch in range(2):
        given = [number for rank in told for number in rank["train"][epoch]]
        assert sorted(given) == list(range(NUM_OBJECTS))
        assert [len(rank["train"][epoch]) for rank in told] == [NUM_OBJECTS // 2] * 2
    assert told[0]["state"] == told[1]["state"]
    assert told[0]["state"]["next_index"] == 2 * NUM_OBJECTS
    # One of the node for each stream, of which Lightning's has two.
    assert [rank["prefetchers"] for rank in told] == [2 if how == "lightning" else 1] * 2
    if how == "lightning":
        for rank in told:
            assert [len(seen) for seen in rank["valid"]] == [8, NUM_OBJECTS // 2, NUM_OBJECTS // 2]
        for validation in (1, 2):
            seen = sorted(number for rank in told for number in rank["valid"][validation])
            assert seen == list(range(NUM_OBJECTS))
