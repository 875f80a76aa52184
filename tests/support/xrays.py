"""Chest-like pictures in NIH ChestX-ray14's layout, small ones with bright findings, or with none to be seen."""

from __future__ import annotations

from pathlib import Path

from penstock.demo import xrays
from penstock.demo.xrays import HEADER, Study, archive_of, files_of, tables_of

__all__ = ["HEADER", "Study", "archive_of", "files_of", "make_studies", "tables_of", "write_folder"]

BRIGHT = 1.8


def make_studies(
    num_patients: int = 60, *, side: int = 32, archives: int = 3, each: int = 4, planted: bool = True, seed: int = 0
) -> list[Study]:
    """Return pictures of patients.

    Args:
        planted: whether findings are to be seen; else the labels say so of pictures that are as all others.
    """
    effect = BRIGHT if planted else 0.0
    return list(xrays.make_studies(num_patients, side=side, archives=archives, each=each, effect=effect, seed=seed))


def write_folder(folder: Path, studies: list[Study]) -> Path:
    """Write the dataset to a folder, and return it."""
    for path, data in files_of(studies).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder
