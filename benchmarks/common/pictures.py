"""Figures of reports: SVG on a light ground, the same figures giving the same file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2933", "#5f6b7a", "#e3e7ec"
BLUE, ORANGE, GREEN = "#1f5fa8", "#c4541a", "#2e7d4f"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "penstock",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 11,
    "text.color": INK,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}


@contextlib.contextmanager
def drawn(path: Path, num_panels: int = 1, *, height_inches: float = 4.6) -> Iterator[list[Axes]]:
    """Return panels beside each other to draw on, and write them at the end; the suffix of ``path`` tells how."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2 if num_panels == 1 else 5.6 * num_panels, height_inches), layout="constrained")
        yield [figure.add_subplot(1, num_panels, number + 1) for number in range(num_panels)]
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=120)


def points(axes: Axes, x: Sequence[float], rounds: Sequence[Sequence[float]], **look: Any) -> None:
    """Draw the medians of rounds, with bars from the lowest to the highest."""
    middle = np.array([np.median(each) for each in rounds])
    low = middle - np.array([min(each) for each in rounds])
    high = np.array([max(each) for each in rounds]) - middle
    look = {"fmt": "o", "markersize": 5.5, "capsize": 3.5, "linewidth": 1.3, "zorder": 3, **look}
    axes.errorbar(x, middle, yerr=[low, high], **look)
