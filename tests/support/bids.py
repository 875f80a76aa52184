"""Small BIDS datasets on disk, made recording by recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from penstock.formats.bdf import BdfHeader, encode_bdf
from penstock.manifest import SourceSpec
from penstock.sources import ObjectSource, open_source

CCD = "contrastChangeDetection"


@dataclass(kw_only=True)
class Bids:
    """A folder that recordings are put into."""

    folder: Path
    seconds: int = 20
    rate: int = 50
    num_channels: int = 3
    participants: dict[str, list[str]] = field(default_factory=dict)

    def put(self, key: str, data: bytes | str) -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def recording(self, subject: str, *, root: str = "", task: str = CCD, num_channels: int | None = None) -> Path:
        header = self.header(num_channels or self.num_channels)
        rng = np.random.default_rng(sum(subject.encode()))
        digital = rng.integers(-9999, 9999, (header.num_channels, self.seconds * self.rate), dtype=np.int32)
        return self.put(self.stem(subject, root=root, task=task) + "_eeg.bdf", encode_bdf(header, digital))

    def with_trials(self, subject: str, reactions: Sequence[float] = (1.0, 0.75, 1.25), *, root: str = "") -> Path:
        """Write a recording with one trial for each reaction time."""
        rows = [event for i, reaction in enumerate(reactions) for event in trial(1 + 4 * i, reaction=reaction)]
        self.events(subject, [*rows, (1.0 + 4 * len(reactions), "contrastTrial_start")], root=root)
        return self.recording(subject, root=root)

    def header(self, num_channels: int) -> BdfHeader:
        return BdfHeader(
            name="recording",
            width_bytes=3,
            variant="24BIT",
            num_records=self.seconds,
            record_seconds=1.0,
            labels=tuple(f"E{i}" for i in range(num_channels)),
            units=("uV",) * num_channels,
            physical_min=(-8192.0,) * num_channels,
            physical_max=(8191.0,) * num_channels,
            digital_min=(-(2**23),) * num_channels,
            digital_max=(2**23 - 1,) * num_channels,
            samples_per_record=(self.rate,) * num_channels,
        )

    def stem(self, subject: str, *, root: str = "", task: str = CCD) -> str:
        return f"{root}{subject}/eeg/{subject}_task-{task}_run-1"

    def events(self, subject: str, rows: list[tuple[float, str]], *, root: str = "", task: str = CCD) -> Path:
        lines = ["onset\tduration\tvalue", *(f"{onset}\t0\t{value}" for onset, value in rows)]
        return self.put(self.stem(subject, root=root, task=task) + "_events.tsv", "\n".join(lines) + "\n")

    @property
    def source(self) -> ObjectSource:
        return open_source(SourceSpec(uri=str(self.folder)))


def trial(start: float, *, reaction: float | None = 1.0, stimulus: bool = True) -> list[tuple[float, str]]:
    """Events of one trial whose stimulus comes 0.4 s after its start."""
    rows = [(start, "contrastTrial_start")]
    if stimulus:
        rows.append((round(start + 0.4, 3), "left_target"))
    if reaction is not None:
        rows.append((round(start + 0.4 + reaction, 3), "right_buttonPress"))
    return rows
