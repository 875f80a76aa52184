"""Small EEG datasets in the challenge's layout."""

from __future__ import annotations

from pathlib import Path

from penstock.demo.generate import Sink, generate_dataset


def into(folder: Path) -> Sink:
    """Return what puts objects into a folder."""

    def put(key: str, data: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return put


def write_eeg(
    folder: Path, *, num_trials: int = 10, num_channels: int = 8, num_subjects: int = 4, effect: float = 0.9
) -> Path:
    """Write a dataset of one release to a folder; give its BIDS root."""
    size = 3 * num_channels * 100 * num_trials * 3 * num_subjects
    generate_dataset(
        into(folder), effect=effect, size_bytes=size, num_releases=1, num_trials=num_trials, num_channels=num_channels
    )
    return folder / "R1_L100_bdf"


def write_releases(folder: Path, *, num_subjects: int) -> Path:
    """Write three releases, R1 to R3, of so many subjects each, to a folder; give it."""
    size = 3 * 8 * 100 * 8 * 3 * 3 * num_subjects
    generate_dataset(into(folder), size_bytes=size, num_releases=3, num_trials=8, num_channels=8)
    return folder


def subjects_of(folder: Path, release: str) -> list[str]:
    """Return the subjects of a release, sorted."""
    return sorted({path.name.partition("_")[0] for path in (folder / f"{release}_L100_bdf").rglob("*_eeg.bdf")})


def recordings(root: Path) -> list[Path]:
    """Return the BDF files of a BIDS root, sorted."""
    return sorted(root.rglob("*_eeg.bdf"))
