"""A scheme, a format, a task and its networks of one package of somebody's own: nothing changes for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from penstock.records import Evaluation, RunRecord, read_record
from support.cli import penstock
from support.toy_scheme import TOY

RECORD_BYTES, AT_ONCE, COUNT = 8, 50, 600

FORMAT = '''
"""Records of a fixed size, back to back; fifty are an extent."""

import numpy as np

from penstock.manifest import Extent


class Records:
    def __init__(self, *, size=8):
        self.size = size

    async def index(self, source, info):
        for first in range(0, info.size_bytes // self.size, 50):
            count = min(50, info.size_bytes // self.size - first)
            key = f"{info.key}/{first}"
            yield Extent(
                key=key, group=key, spans=(info.span(first * self.size, count * self.size),), num_samples=count
            )

    def decode(self, data, about, codec, numbers):
        return np.frombuffer(data, np.uint8).reshape(-1, self.size)[numbers].copy()
'''
TASK = '''
"""Whether a record's bytes are large."""

import numpy as np

from toyhouse.records import Records
from penstock.tasks.metrics import classification_metrics
from penstock.tasks.protocols import SampleSet


class Large:
    name = recipe = "toy-large"
    score = "accuracy"
    options = ()
    format = Records()

    async def make_samples(self, source, *, limits, options):
        found = await source.list_all()

        async def rows():
            for info in found:
                async for extent in self.format.index(source, info):
                    yield extent

        return SampleSet(rows=rows(), shape=(8,), classes=("small", "large"))

    def decode(self, data, about, codec, numbers):
        rows = self.format.decode(data, about, codec, numbers)
        return [{"inputs": row.astype(np.float32) / 255, "targets": int(row.mean() > 127)} for row in rows]

    def metrics(self, truth, predicted, groups):
        return classification_metrics(truth, predicted)


class Linear:
    models = ("linear",)

    def check_model(self, name, shape):
        pass

    def build_model(self, name, *, shape, num_outputs):
        from torch import nn

        return nn.Linear(shape[0], num_outputs)
'''
POINTS = """
[penstock.sources]
toyhouse = toyhouse:SCHEME
[penstock.formats]
toy-records = toyhouse.records:Records
[penstock.tasks]
toy-large = toyhouse.task:Large
[penstock.recipes]
toy-large = toyhouse.task:Linear
"""
LOOP = """
import sys, penstock
with penstock.of_format("toy-records", "toyhouse://shelf", options={"size": 8}).loader(64, epochs=1) as loader:
    print(sorted(row for batch in loader for row in batch.tolist()) == eval(sys.stdin.read()))
"""


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that hold records back to front, which the scheme alone knows."""
    root, rng = tmp_path_factory.mktemp("shelves"), np.random.default_rng(0)
    (root / "shelf").mkdir()
    for number in range(3):
        level = rng.choice([60, 190], (COUNT // 3, 1))
        data = np.clip(level + rng.integers(-40, 40, (COUNT // 3, RECORD_BYTES)), 0, 255).astype(np.uint8)
        (root / "shelf" / f"{number}.toy").write_bytes(data.tobytes()[::-1])
    return root


@pytest.fixture(scope="module")
def environment(shelves: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The package, installed as pip does."""
    site = tmp_path_factory.mktemp("site")
    (site / "toyhouse").mkdir()
    for name, code in (("__init__", TOY), ("records", FORMAT), ("task", TASK)):
        (site / "toyhouse" / f"{name}.py").write_text(code.lstrip())
    info = site / "toyhouse-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toyhouse\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    return {"PYTHONPATH": path, "TOY_SHELVES": str(shelves)}


def test_a_whole_job_of_them(environment: dict[str, str], tmp_path: Path) -> None:
    words = ["run", "--source", "toyhouse://shelf", "--task", "toy-large", "--split", "0.6,0.2,0.2"]
    words += ["--split-by", "sample", "--window-size", "1Mi", "--epochs", 20, "--batch-size", 16]
    words += ["--learning-rate", 0.05, "--threads", 1, "--out", tmp_path]
    done = penstock(*words, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = read_record(tmp_path / "evaluation.json", Evaluation)
    assert (found.metrics["accuracy"].value or 0) > 0.9
    assert found.classes == ("small", "large")
    record = read_record(tmp_path / "run.json", RunRecord)
    assert record.task == "toy-large"
    assert record.meters.bytes_downloaded > 0
    assert "toyhouse://shelf" in (tmp_path / "report.html").read_text()


def test_a_loop_over_them(environment: dict[str, str], shelves: Path) -> None:
    files = sorted((shelves / "shelf").iterdir())
    rows = [np.frombuffer(path.read_bytes()[::-1], np.uint8).reshape(-1, RECORD_BYTES).tolist() for path in files]
    told = subprocess.run(
        [sys.executable, "-c", LOOP],
        env=os.environ | environment,
        input=str(sorted(row for each in rows for row in each)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout == "True\n", told.stderr
