"""The signals' run, in the small: a job and its processes disturbed at random moments, whatever it is doing there.

``make soak`` sends 200 signals to each kind of job, and writes a report.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_disturbed_job_ends_as_an_undisturbed_one() -> None:
    words = ["benchmarks.signals", "--signals", "4", "--subject", "run", "--workers", "2", "--seed", "3"]
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sent = re.search(r"(\d+) signals\.", done.stdout)
    assert sent, done.stdout
    assert int(sent[1]) >= 4  # the last moment may be of two
    assert "Every promise was kept." in done.stdout
