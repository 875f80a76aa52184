"""A scorer after the interface that the NeurIPS 2025 EEG challenge's start kit publishes (``local_scoring.py``).

What it reads it reads by MNE, and what it scores it computes itself: nothing of Penstock takes part.
"""

from __future__ import annotations

import csv
import importlib.util
import random
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import mne
import numpy as np
import torch
from numpy.typing import NDArray

RATE = 100
Sample = tuple[NDArray[np.float32], float]


def unpacked(archive: Path, folder: Path) -> Any:
    """Return a submission, unpacked and imported as the scorer does."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    spec = importlib.util.spec_from_file_location(f"submission_{abs(hash(str(folder)))}", folder / "submission.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Submission(RATE, torch.device("cpu"))


def score(model: torch.nn.Module, samples: list[Sample]) -> float:
    """Return the error of a network on samples, one a batch, in standard deviations of what is true."""
    model.eval()
    told = []
    with torch.inference_mode():
        for volts, _ in samples:
            answer = model.forward(torch.from_numpy(volts)[None].to(dtype=torch.float32))
            told.append(answer.detach().cpu().numpy()[0][0])
    true = np.array([target for _, target in samples])
    return float(np.sqrt(np.mean((np.array(told) - true) ** 2)) / true.std())


def trials(root: Path, subjects: set[str]) -> list[Sample]:
    """Return 2 s from 0.5 s after each stimulus that was answered, and the seconds from it to the answer."""
    found = []
    for path, volts in _recordings(root, subjects):
        rows = _table(path.with_name(path.name.replace("_eeg.bdf", "_events.tsv")))
        events = [(float(row["onset"]), row["value"]) for row in rows]
        begins = [i for i, (_, value) in enumerate(events) if value == "contrastTrial_start"]
        for begin, end in pairwise(begins):  # the last trial, which no other follows, is none
            trial = events[begin:end]
            stimulus = next((at for at, value in trial if value in ("left_target", "right_target")), None)
            pressed = [at for at, value in trial if value.endswith("_buttonPress")]
            answer = next((at for at in pressed if stimulus is not None and at > stimulus), None)
            if stimulus is None or answer is None:
                continue
            first = round(stimulus * RATE) + RATE // 2
            if first + 2 * RATE <= volts.shape[1]:
                found.append((volts[:, first : first + 2 * RATE], answer - stimulus))
    return found


def crops(root: Path, subjects: set[str], *, seed: int | None) -> list[Sample]:
    """Return 2 s of each window of 4 s, one every 2 s: at a place of chance, or from the middle."""
    factor = {row["participant_id"]: row["externalizing"] for row in _table(root / "participants.tsv")}
    found = []
    for path, volts in _recordings(root, subjects):
        chance = random.Random(seed)
        for begin in range(0, volts.shape[1] - 4 * RATE + 1, 2 * RATE):
            first = begin + (RATE if seed is None else chance.randint(0, 2 * RATE))
            found.append((volts[:, first : first + 2 * RATE], float(factor[path.name.partition("_")[0]])))
    return found


def _recordings(root: Path, subjects: set[str]) -> Iterator[tuple[Path, NDArray[np.float32]]]:
    for path in sorted(root.rglob("*_eeg.bdf")):
        if path.name.partition("_")[0] in subjects:
            raw = mne.io.read_raw_bdf(path, preload=True, verbose="error")
            yield path, raw.get_data().astype(np.float32)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
