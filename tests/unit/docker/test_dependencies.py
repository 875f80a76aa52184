"""What the images install before the project itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def told(*extras: str) -> list[str]:
    """Return the names of the requirements that are printed."""
    command = [sys.executable, str(ROOT / "docker/dependencies.py"), str(ROOT / "pyproject.toml"), *extras]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.partition(">=")[0] for line in done.stdout.splitlines()]


def test_images_have_the_libraries_of_formats_but_those_with_gpl_parts() -> None:
    found = set(told("train,formats"))

    assert {"torch", "h5py", "numcodecs", "pillow", "pydicom", "tokenizers", "fsspec"} <= found
    assert not {"av", "pylance"} & found


@pytest.mark.parametrize("extras", ["", ","])
def test_no_extras_leave_the_project_alone(extras: str) -> None:
    assert told(extras) == told()
    assert told(f"train,{extras}") == told("train")


def test_an_extra_that_is_none_ends_the_build() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        told("formts")
