"""Processes of Penstock's own: what they are given."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from penstock.children.process import Child
from penstock.cli import load_step


@pytest.mark.parametrize(("own", "told"), [(None, b"1"), ("3", b"3")])
def test_a_child_starts_no_threads_for_linear_algebra_unless_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None, told: bytes
) -> None:
    (tmp_path / "tells.py").write_text("import os; print(os.environ['OPENBLAS_NUM_THREADS'])")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if own:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", own)
    with Child(["tells"], stdout=subprocess.PIPE) as child:
        assert child.stdout.read().strip() == told


@pytest.mark.parametrize("step", ["list", "prefetch"])
def test_nor_does_the_same_step_that_a_person_starts(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    load_step(step)
    assert os.environ.pop("OPENBLAS_NUM_THREADS") == "1"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    load_step(step)
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
