"""Runs: samples of one slot, given in one go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ChecksumMismatch
from penstock.window import WindowReader
from penstock.window.control import Control
from penstock.window.folder import SLOTS
from support.raw import RawDataset, make_raw_dataset
from support.windows import make_spec, planned_keys, serving

WINDOW_BYTES = 2 << 20


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    sizes = [1 + (number * 7919) % 20_000 for number in range(200)]
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=sizes)


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Path]:
    with serving(tmp_path / "window", WINDOW_BYTES):
        yield tmp_path / "window"


@pytest.mark.parametrize("step", [1, 3])
def test_runs_give_every_sample_once_and_none_crosses_a_slot(dataset: RawDataset, window: Path, step: int) -> None:
    spec = make_spec(dataset, epochs=2)
    reader = WindowReader(window, spec).begin()
    control = Control(window, writable=False)
    wanted = list(range(0, spec.end_index, step))
    keys, run_lengths = [], []
    while len(keys) < len(wanted):
        run = []
        for sample in reader.run(wanted[len(keys) :]):
            assert hashlib.sha256(sample.data).hexdigest() == dataset.digests[sample.meta.key]
            run.append(sample)
        assert [sample.index for sample in run] == wanted[len(keys) :][: len(run)]
        assert len({control.find_ready(sample.index) for sample in run}) == 1
        assert reader.is_intact(run[0])
        keys += [sample.meta.key for sample in run]
        run_lengths.append(len(run))
        reader.advance(run[-1].index + 1)
    reader.close()
    assert keys == planned_keys(dataset, spec)[::step]
    assert max(run_lengths) > 1
    assert len(run_lengths) > 4


def test_run_ends_before_a_sample_that_is_damaged_and_the_next_one_names_it(dataset: RawDataset, window: Path) -> None:
    reader = WindowReader(window, make_spec(dataset)).begin()
    control = Control(window, writable=False)
    reader.get(0)
    together = [index for index in range(100) if control.find_ready(index) == control.find_ready(0)]
    victim = bytes(reader.get(together[2]).data)
    slots = (window / SLOTS).read_bytes()
    assert slots.count(victim) == 1
    run = reader.run(together)
    assert next(run).index == 0
    with (window / SLOTS).open("r+b") as file:
        file.seek(slots.index(victim))
        file.write(bytes(value ^ 1 for value in victim))
    assert [sample.index for sample in run] == [1]
    with pytest.raises(ChecksumMismatch, match="sample 2"):
        next(reader.run(together[2:]))
