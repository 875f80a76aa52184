"""The runs that are forecast and made: what is read, over which link, by what, and what the forecast stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["CELLS", "DATASETS", "QUICK_CELLS", "QUICK_DATASETS", "SPLIT_SHARE", "Cell", "Data"]

KIB, MIB = 1 << 10, 1 << 20
SPLIT_SHARE = (0.8, 0.1, 0.1)
"""Of training, validation and test, in runs of ``penstock run``."""

Face = Literal["run", "loop"]
Basis = Literal["stated", "probe", "record"]


@dataclass(frozen=True, kw_only=True)
class Data:
    """A dataset: an object a sample.

    Attributes:
        sample_bytes: of a sample, on average.
        spread: of the largest sample, by the smallest: sizes lie evenly between them on a logarithmic scale.
    """

    name: str
    num_samples: int
    sample_bytes: int
    batch_samples: int
    spread: float = 1.0

    @property
    def sizes(self) -> list[int]:
        """Of the samples, in an order of no meaning."""
        if self.spread == 1:
            return [self.sample_bytes] * self.num_samples
        found = self.spread ** np.random.Generator(np.random.PCG64(self.num_samples)).random(self.num_samples)
        sizes: list[int] = (found / found.mean() * self.sample_bytes).astype(int).tolist()
        return sizes

    @property
    def size_bytes(self) -> int:
        """Of all samples."""
        return sum(self.sizes)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A run.

    Attributes:
        share: W/D, the window's size by the dataset's.
        epochs: E.
        link_bytes_per_second: of all connections together.
        computing: what computing takes, by what the link takes for the training samples.
        has_faults: whether requests are answered with 503 and bodies are cut now and then.
        face: ``penstock run``, or a loop of one's own over ``penstock.objects(...).loader(...)``.
        basis: whether rates are stated, measured by ``--probe``, or by the run of cell ``earlier``.
        batch_samples: 0 for the dataset's.
        is_held_out: whether it was made for the report alone, and nothing was changed to meet it.
    """

    name: str
    data: str
    share: float
    epochs: int
    link_bytes_per_second: float
    latency_seconds: float = 0.0
    computing: float = 0.5
    has_faults: bool = False
    face: Face = "run"
    basis: Basis = "stated"
    earlier: str = ""
    batch_samples: int = 0
    is_held_out: bool = False


DATASETS = (
    Data(name="small", num_samples=1792, sample_bytes=64 * KIB, batch_samples=32),
    Data(name="tiny", num_samples=2816, sample_bytes=16 * KIB, batch_samples=64),
    Data(name="large", num_samples=88, sample_bytes=3 * MIB // 2, batch_samples=4),
    Data(name="uneven", num_samples=800, sample_bytes=128 * KIB, batch_samples=16, spread=64.0),
)


def _cell(name: str, data: str, share: float, epochs: int, rate_mb: float, latency_ms: float, **more: object) -> Cell:
    """Return a cell, of units that a table is written in."""
    return Cell(
        name=name,
        data=data,
        share=share,
        epochs=epochs,
        link_bytes_per_second=rate_mb * 1e6,
        latency_seconds=latency_ms / 1000,
        **more,  # type: ignore[arg-type]
    )


CELLS = (
    _cell("run-01", "small", 0.05, 1, 6, 0),
    _cell("run-02", "small", 0.1, 2, 12, 10),
    _cell("run-03", "small", 0.25, 3, 16, 0),
    _cell("run-04", "small", 0.5, 5, 20, 0),
    _cell("run-05", "small", 1.0, 5, 20, 0, basis="record", earlier="run-04"),
    _cell("run-06", "small", 0.25, 3, 20, 30, computing=1.5),
    _cell("run-07", "small", 0.5, 3, 40, 100, computing=3.0, basis="probe"),
    _cell("run-08", "small", 1.0, 3, 8, 30, basis="probe"),
    _cell("run-09", "tiny", 0.1, 2, 8, 10),
    _cell("run-10", "tiny", 0.5, 5, 8, 0),
    _cell("run-11", "tiny", 0.25, 3, 6, 100, basis="probe"),
    _cell("run-12", "tiny", 1.0, 3, 6, 100, basis="record", earlier="run-11"),
    _cell("run-13", "large", 0.25, 2, 16, 0),
    _cell("run-14", "large", 0.5, 3, 20, 30, basis="probe"),
    _cell("run-15", "large", 1.0, 2, 20, 100, computing=1.5),
    _cell("run-16", "large", 0.1, 1, 10, 10),
    _cell("run-17", "small", 0.5, 3, 20, 0, has_faults=True, basis="probe"),
    _cell("run-18", "small", 0.25, 3, 20, 0, has_faults=True, basis="record", earlier="run-17"),
    _cell("run-19", "large", 0.5, 2, 20, 30, has_faults=True, basis="probe"),
    _cell("run-20", "tiny", 0.5, 2, 8, 10, computing=1.5, has_faults=True, basis="probe"),
    _cell("loop-21", "small", 0.05, 2, 16, 0, face="loop", batch_samples=8),
    _cell("loop-22", "small", 0.1, 3, 20, 30, face="loop", basis="probe"),
    _cell("loop-23", "small", 0.5, 5, 20, 10, computing=1.5, face="loop"),
    _cell("loop-24", "small", 1.0, 3, 12, 100, face="loop"),
    _cell("loop-25", "large", 0.25, 3, 40, 0, computing=2.0, face="loop"),
    _cell("loop-26", "large", 1.0, 5, 40, 10, face="loop"),
    _cell("loop-27", "tiny", 0.25, 2, 8, 30, face="loop"),
    _cell("loop-28", "small", 0.5, 3, 20, 0, has_faults=True, face="loop", basis="probe"),
    _cell("loop-29", "tiny", 1.0, 2, 8, 10, has_faults=True, face="loop", basis="probe"),
    _cell("run-30", "uneven", 0.35, 4, 24, 200, computing=0.7, is_held_out=True),
    _cell("run-31", "small", 0.7, 2, 14, 200, has_faults=True, basis="probe", is_held_out=True),
    _cell("loop-32", "uneven", 0.3, 3, 16, 60, computing=1.2, face="loop", basis="probe", is_held_out=True),
)
QUICK_DATASETS = (Data(name="small", num_samples=120, sample_bytes=32 * KIB, batch_samples=8),)
QUICK_CELLS = (
    _cell("run-01", "small", 0.5, 2, 8, 0),
    _cell("loop-02", "small", 1.0, 2, 8, 10, has_faults=True, face="loop"),
)
