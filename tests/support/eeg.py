"""Small EEG datasets in the challenge's layout."""

from __future__ import annotations

from pathlib import Path

from penstock.demo.generate import generate_dataset


def write_eeg(
    folder: Path, *, num_trials: int = 10, num_channels: int = 8, num_subjects: int = 4, effect: float = 0.9
) -> Path:
    """Write a dataset of one release to a folder; give its BIDS root."""

    def put(key: str, data: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    size = 3 * num_channels * 100 * num_trials * 3 * num_subjects
    generate_dataset(
        put, effect=effect, size_bytes=size, num_releases=1, num_trials=num_trials, num_channels=num_channels
    )
    return folder / "R1_L100_bdf"


def recordings(root: Path) -> list[Path]:
    """Return the BDF files of a BIDS root, sorted."""
    return sorted(root.rglob("*_eeg.bdf"))
