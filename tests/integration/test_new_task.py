"""What `penstock new-task` writes, installed: its own test passes, which runs the whole job."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from support.cli import penstock, succeed


def install(folder: Path) -> Path:
    """Put beside a package what `pip install -e` would tell of it; give the folder for PYTHONPATH."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [[f"[{group}]", *(f"{name} = {at}" for name, at in points.items())] for group, points in groups]
    (info / "entry_points.txt").write_text("\n".join(line for each in lines for line in each))
    return folder


def test_a_new_task_is_installed_listed_and_passes_its_own_test(tmp_path: Path) -> None:
    succeed("new-task", "own-folders", "--folder", tmp_path / "made")
    site = str(install(tmp_path / "made"))
    path = os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH", "")]))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=site, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    # A second one of the name is refused where this one is installed.
    again = penstock("new-task", "own-folders", "--folder", tmp_path / "again", environment={"PYTHONPATH": path})
    assert again.returncode == 2
    assert "there is a task or recipe 'own-folders' already" in again.stderr
