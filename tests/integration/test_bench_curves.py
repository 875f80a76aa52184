"""The curves at their smallest: they run, every byte is counted right, and reports are made of what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.common.server import missing_parts
from benchmarks.epochs.figures import is_streamed_whole, kept
from benchmarks.stall.figures import stalls
from benchmarks.stall.link import BURST_SECONDS, Link

REPOSITORY = Path(__file__).parents[2]

needs_server = pytest.mark.skipif(
    bool(missing_parts()) or not Path("/dev/shm").is_dir(), reason=f"needs /dev/shm and nginx: {missing_parts()}"
)


def _run(name: str, out: Path) -> tuple[dict[str, Any], str, str]:
    """Return raw figures, report and picture of a quick run."""
    words = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--out", str(out)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob(f"{name}_*.json")
    return json.loads(path.read_text()), path.with_suffix(".md").read_text(), path.with_suffix(".svg").read_text()


@needs_server
def test_every_byte_of_a_training_passes_its_link(tmp_path: Path) -> None:
    raw, report, picture = _run("stall", tmp_path)
    dataset_bytes = raw["links"][0]["num_samples"] * raw["options"]["sample_bytes"]
    assert {(run["ratio"], run["latency_seconds"]) for run in raw["runs"]} == {(2.0, 0), (0.5, 0), (1.3, 0.03)}
    for run in raw["runs"]:
        assert run["error"] == ""
        assert run["right"]
        assert run["result"]["bytes_downloaded"] - run["result"]["wasted_bytes"] == dataset_bytes
        assert dataset_bytes < run["result"]["passed_bytes"] < 1.1 * dataset_bytes
        assert run["result"]["compute_seconds"] <= run["result"]["wall_seconds"]
    found = stalls(raw)
    assert [each.theory for each in found] == [0.0, 0.5, 0.0]
    assert "## Goals" in report
    assert "<svg" in picture
    assert "time the trainer waits (% of training time)" in picture


@needs_server
def test_bytes_over_epochs_are_the_formulas(tmp_path: Path) -> None:
    """How much is kept follows from how soon the server answers, beside everything else that runs here."""
    raw, report, picture = _run("epochs", tmp_path)
    found = kept(raw)
    assert len(found) == 2
    for each in found:
        assert not each.error
        assert not each.wrong
        assert each.is_exact
    assert is_streamed_whole(raw)
    assert "## Goals" in report
    assert "window (share of the dataset)" in picture


def test_turns_at_a_link_keep_its_rate() -> None:
    passed = np.zeros(1, dtype=np.int64)
    link = Link(1000.0, passed)
    now, sizes = 5.0, [100, 300, 50, 250]
    ends = [link.take(size, now) for size in sizes]
    assert ends == pytest.approx(now - BURST_SECONDS + np.cumsum(sizes) / 1000)
    late = ends[-1] + BURST_SECONDS / 2
    assert link.take(100, late) == pytest.approx(ends[-1] + 0.1), "what a timer lost is made up for"
    rested = late + 10
    assert link.take(100, rested) == pytest.approx(rested - BURST_SECONDS + 0.1), "a rest is not saved up"
