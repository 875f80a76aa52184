"""The program of docs/stream.md for torch's DistributedDataParallel: as many ranks as there are learn the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from integration.test_stream_ranks import environment

PAGE = Path(__file__).parents[2] / "docs" / "stream.md"
STEPS, STOPPED = 9, 3
"""An epoch has four steps and a half."""


def test_two_ranks_that_are_stopped_learn_what_one_learns_of_batches_of_twice_the_size(tmp_path: Path) -> None:
    [program] = re.findall(r"^```python\n(# ddp\.py\n.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "ddp.py").write_text(program)
    x = np.random.default_rng(0).normal(size=18 * 32 + 5)
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table({"x": x, "y": np.sin(2 * x)}), tmp_path / "data" / "a.parquet", row_group_size=64)

    def train(place: str, steps: int, *, ranks: int) -> dict[str, Any]:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"] if ranks > 1 else []
        words = [sys.executable, *launcher, "ddp.py", "data", place, str(steps)]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        found: dict[str, Any] = torch.load(tmp_path / place)
        return found

    alone = train("one.pt", STEPS, ranks=1)
    assert train("two.pt", STOPPED, ranks=2)["step"] == STOPPED
    together = train("two.pt", STEPS, ranks=2)
    assert together["step"] == alone["step"] == STEPS
    for name, weights in alone["network"].items():
        torch.testing.assert_close(together["network"][name], weights, rtol=1e-5, atol=1e-6)
    torch.manual_seed(0)
    assert not torch.allclose(alone["network"]["0.weight"], torch.nn.Linear(1, 16).weight, atol=1e-3)
