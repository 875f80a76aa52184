"""One small BIDS dataset, as files of any kind that the EEG tasks read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from penstock.formats.bdf import encode_bdf
from support.bids import Bids, trial
from support.recordings import brainvision, edf_plus, eeglab, fif

__all__ = ["KINDS", "STEP_VOLTS", "dataset", "put", "stored"]

LABELS = ("E1", "E2", "E3", "E4")
KINDS = (
    "bdf", "edf", "edf+", "bdf+", "brainvision", "brainvision-float", "brainvision-vectorized", "eeglab-fdt",
    "eeglab-plain", "eeglab-packed", "fif", "fif-double",
)  # fmt: skip
STEP_VOLTS = 1e-7
"""Of what is recorded: every kind below can hold it."""


def stored(subject: str, rate: int, seconds: int) -> np.ndarray:
    """Return a recording in steps of 0.1 microvolts, shape (channels, samples)."""
    return np.random.default_rng(sum(subject.encode())).integers(-9999, 9999, (4, seconds * rate), dtype=np.int32)


def put(bids: Bids, subject: str, kind: str, *, starts: list[float] | None = None) -> None:
    """Write a subject's recording as a file of some kind, in steps of 0.1 microvolts."""
    steps, form, stem = stored(subject, bids.rate, bids.seconds), kind.partition("-")[0], f"{bids.stem(subject)}_eeg"
    name, num = stem.rpartition("/")[2], bids.seconds * bids.rate
    if form in ("edf+", "bdf+"):
        width = 2 if form == "edf+" else 3
        made = edf_plus(
            steps, width_bytes=width, labels=LABELS, rate=bids.rate, starts=starts, broken=starts is not None
        )
        bids.put(f"{stem}.{form[:3]}", made)
    elif form in ("bdf", "edf"):
        width, most = 3 if form == "bdf" else 2, 2**15
        header = replace(
            bids.header(4),
            width_bytes=width,
            variant="24BIT" if width == 3 else "",
            labels=LABELS,
            physical_min=(-most / 10,) * 4,
            physical_max=((most - 1) / 10,) * 4,
            digital_min=(-most,) * 4,
            digital_max=(most - 1,) * 4,
        )
        bids.put(f"{stem}.{form}", encode_bdf(header, steps))
    elif form == "brainvision":
        how = {"number": "IEEE_FLOAT_32"} if kind.endswith("float") else {}
        how |= {"orientation": "VECTORIZED"} if kind.endswith("vectorized") else {}
        for key, data in brainvision(steps, name=name, labels=LABELS, rate_hz=bids.rate, **how).items():
            bids.put(f"{stem.rpartition('/')[0]}/{key}", data)
    elif form == "eeglab":
        micro = steps / 10
        if kind.endswith("fdt"):
            bids.put(f"{stem}.fdt", np.ascontiguousarray(micro.T, "<f4").tobytes())
        data = f"{name}.fdt" if kind.endswith("fdt") else micro
        packed = kind.endswith("packed")
        bids.put(f"{stem}.set", eeglab(data, 4, num, labels=LABELS, rate_hz=bids.rate, packed=packed))
    else:
        number = "double" if kind.endswith("double") else "single"
        volts = steps * STEP_VOLTS
        bids.put(f"{stem}.fif", fif(volts, bids.folder.parent, labels=LABELS, rate_hz=bids.rate, number=number))


def dataset(folder: Path, kind: str, subjects: str = "AB") -> Bids:
    """Write recordings of some subjects, each of four trials, as files of a kind."""
    bids = Bids(folder=folder)
    for number, subject in enumerate(f"sub-{letter}" for letter in subjects):
        rows = [event for i in range(4) for event in trial(1 + 4 * i, reaction=1.0 + number / 4 + i / 8)]
        bids.events(subject, [*rows, (17.0, "contrastTrial_start")])
        put(bids, subject, kind)
    bids.put("participants.tsv", "participant_id\texternalizing\nsub-A\t0.5\nsub-B\t-0.25\n")
    return bids
