"""The benchmark of forecasts at its smallest: it forecasts, runs, and tells every miss."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.server import missing_parts
from benchmarks.forecast.figures import GOAL, compare, why
from benchmarks.stall.link import Link

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.skipif(
    bool(missing_parts()) or not Path("/dev/shm").is_dir(), reason=f"needs /dev/shm and nginx: {missing_parts()}"
)
def test_bytes_and_requests_are_as_forecast_before_the_run(tmp_path: Path) -> None:
    """A run of `penstock run` and a loop over a link with faults; what they take of time is the machine's.

    It takes ten seconds of CPU, which are those of the commands that it is about.
    """
    runs = tmp_path / "runs.jsonl"
    words = [sys.executable, "-m", "benchmarks.forecast", "--quick", "--out", str(tmp_path), "--runs", str(runs)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("forecast_*.json")
    found = json.loads(path.read_text())["runs"]
    assert [json.loads(line) for line in runs.read_text().splitlines()] == found
    assert [told["cell"]["face"] for told in found] == ["run", "loop"]
    for told in found:
        wall, num_bytes, requests = compare(told)
        assert num_bytes.ratio == pytest.approx(1, abs=0.02)  # what is read again after a body was cut is not foreseen
        assert requests.ratio == pytest.approx(1, abs=2 * GOAL)  # of some hundred, each fault is one
        assert 0 < wall.forecast < wall.actual
    report = path.with_suffix(".md").read_text()
    assert "## Misses, and what they come from" in report
    assert "penstock forecast --window-size" in report


def test_a_miss_is_told_by_its_largest_part_first() -> None:
    forecast = {"wall_seconds": 10.0, "bytes": 5e6, "requests": 100, "compute_seconds": 4.0, "start_seconds": 2.0}
    kept = {"sample_bytes": 9e6, "reused_bytes": 4e6, "kept_bytes": 2e6, "wasted_bytes": 1e5}
    actual = {**forecast, **kept, "wall_seconds": 13.0, "requests": 120, "bytes": 5.5e6, "compute_seconds": 4.2}
    actual |= {"hedged_requests": 2, "retried_requests": 18, "start_seconds": 2.3, "given_bytes": 2e9}
    told = {"forecast": forecast | {"rate_bytes_per_second": 1e6}, "actual": actual}
    wall, num_bytes, requests = compare(told)
    assert [each.is_right for each in (wall, num_bytes, requests)] == [False, False, False]
    assert why(told, wall) == (
        "2.80 s more of starts, of waiting for data and of scoring than forecast (of which 0.50 s are what its more "
        "bytes take at the forecast's rate, 0.30 s are its start, some 1.40 s handing 2,000 MB over, some of which "
        "is in the forecast); 0.20 s more computing in the epochs than forecast"
    )
    assert why(told, num_bytes).startswith("0.40 MB of cut bodies and of listings; 0.10 MB of late answers")
    assert why(told, requests) == "18.00 made again after a fault; 2.00 made twice because they were late"


def test_a_link_cuts_where_its_bytes_say() -> None:
    link = Link(1e6, np.zeros(1, dtype=np.int64), cut_bytes=100)
    assert [link.count(60) for _ in range(6)] == [False, True, False, True, True, False]
