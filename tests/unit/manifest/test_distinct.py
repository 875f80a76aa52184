"""Counting names: each once, with its amount, however few are held in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.manifest.distinct import DistinctNames
from penstock.units import MIB


@given(names=st.lists(st.text(alphabet="abcdef", max_size=3), max_size=200), held_names=st.integers(1, 50))
def test_names_are_counted_once(tmp_path_factory: pytest.TempPathFactory, names: list[str], held_names: int) -> None:
    counted = DistinctNames(tmp_path_factory.mktemp("scratch"), held_names=held_names)
    for name in names:
        counted.add(name, len(name))
    assert counted.totals() == (len(set(names)), sum(map(len, set(names))))
    counted.close()


def test_many_names_take_bounded_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        counted = DistinctNames(tmp_path, held_names=10_000)
        for number in range(600_000):
            counted.add(f"name-{number % 300_000}", 2)
        assert counted.totals() == (300_000, 600_000)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * MIB
    assert not list(tmp_path.iterdir())
