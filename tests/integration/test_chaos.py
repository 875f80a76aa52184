"""The chaos run, in the small: both sides killed at random while the server fails in every way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_nothing_is_lost_repeated_or_wrong() -> None:
    words = ["--kills", "20", "--samples", "1500", "--seed", "7"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["samples_counted"] == seen["samples_due"] == 3000
    assert seen["trainer_kills"] + seen["prefetcher_kills"] >= 10
    assert seen["peak_bytes"] <= seen["window_bytes"]
