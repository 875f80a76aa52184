"""Figures of reports: SVG on a light ground, the same figures giving the same file."""

from __future__ import annotations

from collections.abc import Sequence
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


def new_figure(num_panels: int = 1, *, height_inches: float = 4.6) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels beside each other."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2 if num_panels == 1 else 5.6 * num_panels, height_inches), layout="constrained")
        return figure, [figure.add_subplot(1, num_panels, number + 1) for number in range(num_panels)]


def points(axes: Axes, x: Sequence[float], rounds: Sequence[Sequence[float]], **look: Any) -> None:
    """Draw the medians of rounds, with bars from the lowest to the highest."""
    middle = np.array([np.median(each) for each in rounds])
    low = middle - np.array([min(each) for each in rounds])
    high = np.array([max(each) for each in rounds]) - middle
    look = {"fmt": "o", "markersize": 5.5, "capsize": 3.5, "linewidth": 1.3, "zorder": 3, **look}
    axes.errorbar(x, middle, yerr=[low, high], **look)


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix tells how."""
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with mpl.rc_context(_STYLE):
        figure.savefig(path, metadata=metadata, dpi=120)
