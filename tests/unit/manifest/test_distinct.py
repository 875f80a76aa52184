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


@given(
    names=st.sets(st.text(alphabet="abcdef", max_size=3), max_size=100),
    labelled=st.dictionaries(st.text(alphabet="abcdef", max_size=3), st.integers(1, 3), max_size=100),
    held=st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
def test_names_are_told_apart_by_what_others_say_of_them(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], labelled: dict[str, int], held: tuple[int, int]
) -> None:
    folder = tmp_path_factory.mktemp("scratch")
    counted, labels = (DistinctNames(folder, held_names=number) for number in held)
    for name in names:
        counted.add(name, len(name))
    for name, label in labelled.items():
        labels.add(name, label)
    expected: dict[int, tuple[int, int]] = {}
    for name in names:
        count, total = expected.get(labelled.get(name, 0), (0, 0))
        expected[labelled.get(name, 0)] = count + 1, total + len(name)
    assert counted.totals_by(labels) == expected
    assert counted.totals() == (len(names), sum(map(len, names)))
    counted.close()
    labels.close()
