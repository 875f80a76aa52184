"""The chaos run, in the small: all sides killed at random while the server fails in every way.

Broken on purpose it fails: ``_may_pass`` (http_ranges.py) that is never true, ``judge`` (http_response.py) that takes
any range, or compares no ETag.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def outcomes(told: str) -> list[dict[str, Any]]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(told.rstrip()):
        outcome, at = decoder.raw_decode(told, at)
        found.append(outcome)
        at += 1
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "--layout parquet --layout csv --layout tar --samples 400 --sample-bytes 2048 --window-share 0.5 --seed 3",
        "--layout parquet --ranks 2 --workers 2 --samples 1600 --window-share 0.95",
        "--layout train --workers 2 --samples 600 --sample-bytes 4096 --window-share 2",
    ],
    ids=["one process", "two ranks with workers", "penstock run"],
)
def test_nothing_is_lost_of_extents_of_many_samples(words: str) -> None:
    """By what a user writes: a loop over ``penstock.parquet(…).loader(…)`` and its like, and a training by a command.

    Batches and weights are those of a run where nobody is killed and no request fails.
    """
    told = outcomes(run_chaos(*words.split(), "--kills", "5", "--epochs", "2", "--faults", "0.05"))
    assert len(told) == words.count("--layout")
    for seen in told:
        assert seen["kept"]
        assert seen["trainer_kills"] + seen["prefetcher_kills"] + seen["other_kills"] >= 3
        assert seen["allocated_bytes"] <= seen["window_bytes"]
        assert len(seen["server"].keys() - {"none", "connection ended"}) >= 3


@pytest.mark.parametrize("name", ["changed-412", "changed-given", "credentials-end", "credentials-renewed"])
def test_faults_that_do_not_pass(name: str) -> None:
    """A splice of two versions is never given; an error is clear and in its place; what is renewed goes on."""
    assert "kept:" in run_chaos("--kills", "0", "--scenario", name)
