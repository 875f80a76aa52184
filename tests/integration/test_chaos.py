"""The chaos run, in the small: all sides killed at random while the server fails in every way.

Broken on purpose it fails: ``_may_pass`` (http_ranges.py) that is never true, ``judge`` (http_response.py) that takes
any range, or compares no ETag.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NUM_FAULTS = 12


def run_chaos(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", [1, 2])
def test_nothing_is_lost_repeated_or_wrong(num_ranks: int) -> None:
    """With two ranks a kill of one ends both, as under torchrun, and both go on from the last common step."""
    told = run_chaos("--kills", "20", "--samples", "800", "--faults", "0.05", "--seed", "7", "--ranks", str(num_ranks))
    seen = json.loads(told)
    assert seen["kept"]
    assert seen["errors"] == []
    assert seen["checked"]["samples_counted"] == seen["checked"]["samples_due"] == 1600
    assert seen["trainer_kills"] >= 3
    assert seen["prefetcher_restarts"] >= 3
    assert seen["window_bytes"] // 2 < seen["peak_bytes"] <= seen["window_bytes"]
    assert seen["allocated_bytes"] <= seen["window_bytes"]
    assert len(seen["server"].keys() - {"none", "connection ended"}) >= NUM_FAULTS - 2


@pytest.mark.parametrize("name", ["changed-412", "changed-given", "credentials-end", "credentials-renewed"])
def test_faults_that_do_not_pass(name: str) -> None:
    """A splice of two versions is never given; an error is clear and in its place; what is renewed goes on."""
    assert "kept:" in run_chaos("--kills", "0", "--scenario", name)
