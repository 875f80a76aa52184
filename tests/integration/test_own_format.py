"""A format of another package, as docs/formats.md has it: nothing of the tree changes for it."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from penstock.manifest import ManifestReader
from support.cli import penstock

DOCS = Path(__file__).parents[2] / "docs" / "formats.md"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Install the package as pip does; give the folder for PYTHONPATH."""
    site = tmp_path / "site"
    info = site / "toyformat-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "toyformat").mkdir()
    (site / "toyformat" / "__init__.py").touch()
    ((name, code),) = re.findall(r"```python\n# toyformat/(\w+\.py)\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (site / "toyformat" / name).write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toyformat\nVersion: 1.0\n")
    (points,) = re.findall(r"\[project.entry-points.\"penstock.formats\"\]\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (info / "entry_points.txt").write_text("[penstock.formats]\n" + points.replace('"', ""))
    return site


def test_it_is_listed_and_decodes(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.arange(2500 * 8, dtype=np.uint8)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bin").write_bytes(data.tobytes())
    words = ["list", "--source", tmp_path / "in", "--task", "objects", "--option", "format=records"]
    words += ["--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json", "--split", "1,0,0"]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))}
    done = penstock(*words, "--option", 'format_options={"size": 8}', environment=environment)
    assert done.returncode == 0, done.stderr
    with ManifestReader(tmp_path / "m.parquet") as reader:
        assert [reader.row(row).num_samples for row in range(3)] == [1000, 1000, 500]
        last = reader.row(2)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    from toyformat.records import Records  # type: ignore[import-not-found]

    (span,) = last.spans
    found = pickle.loads(pickle.dumps(Records(size=8))).decode(
        memoryview(data.tobytes())[span.offset : span.offset + span.length_bytes], last, last.codec, np.array([0, 499])
    )
    assert found.tolist() == data.reshape(-1, 8)[[2000, 2499]].tolist()
    read = (
        "import sys, penstock\n"
        "with penstock.of_format('records', sys.argv[1], options={'size': 8}).loader(100, epochs=1) as loader:\n"
        "    batches = list(loader)\n"
        "print(sum(map(len, batches)), batches[0].shape[1], batches[0].dtype)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", read, str(tmp_path / "in")],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "2500 8 torch.uint8\n", ran.stderr
    wrong = penstock(*words, "--option", 'format_options={"sise": 8}', environment=environment)
    assert wrong.returncode == 2
    assert "the format 'records' has no option 'sise': did you mean 'size'? its options are: size" in wrong.stderr


def test_a_fault_of_its_index_is_told_as_it_is(site: Path, tmp_path: Path) -> None:
    """It would be met again by another listing, so there is none."""
    with (site / "toyformat" / "records.py").open("a") as code:
        code.write("\nasync def broken(self, source, info):\n    yield memoryview(b'').rfind\n")
        code.write("\nRecords.index = broken\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bin").write_bytes(bytes(80))
    read = "import sys, penstock\npenstock.of_format('records', sys.argv[1], options={'size': 8}).loader(1).__enter__()"
    ran = subprocess.run(
        [sys.executable, "-c", read, str(tmp_path / "in")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))},
        capture_output=True,
        text=True,
        check=False,
    )
    (told,) = (line for line in ran.stderr.splitlines() if "PenstockError: the listing failed in broken (" in line)
    assert "records.py, line" in told
    assert "AttributeError: 'memoryview' object has no attribute 'rfind'" in told
    assert "restart" not in ran.stderr
