"""Processes of Penstock's own: what they are given."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from penstock.children.process import Child
from penstock.cli import load_step

VARIABLES = [("OPENBLAS_NUM_THREADS", "1", "3"), ("ARROW_DEFAULT_MEMORY_POOL", "system", "mimalloc")]
"""Names of variables, with what they are set to and what a person may set them to."""


@pytest.mark.parametrize(("name", "ours", "own"), VARIABLES)
@pytest.mark.parametrize("is_told", [False, True])
def test_a_child_does_without_threads_and_an_allocator_of_others_unless_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ours: str, own: str, is_told: bool
) -> None:
    (tmp_path / "tells.py").write_text(f"import os; print(os.environ[{name!r}])")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv(name, raising=False)
    if is_told:
        monkeypatch.setenv(name, own)
    with Child(["tells"], stdout=subprocess.PIPE) as child:
        assert child.stdout.read().strip().decode() == (own if is_told else ours)


@pytest.mark.parametrize(("name", "ours", "own"), VARIABLES)
@pytest.mark.parametrize("step", ["list", "prefetch"])
def test_so_does_the_same_step_that_a_person_starts(
    step: str, monkeypatch: pytest.MonkeyPatch, name: str, ours: str, own: str
) -> None:
    for each, _, _ in VARIABLES:
        monkeypatch.setenv(each, "")  # put back behind the test, as it was
        monkeypatch.delenv(each)
    load_step(step)
    assert os.environ[name] == ours
    monkeypatch.setenv(name, own)
    load_step(step)
    assert os.environ[name] == own
