"""The report and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.common.markdown import size, table
from benchmarks.order.locality import OBJECT_BYTES, PACK_BYTES
from benchmarks.order.measure import MAX_EXTRAS, SAMPLE_BYTES, Figures, Setting

__all__ = ["make_report", "plot"]

COLOURS = ("#1b6ca8", "#d1495b")


def make_report(
    figures: Sequence[Figures], setting: Setting, machine: dict[str, str | int | float], picture: str
) -> str:
    """Return the report in Markdown."""
    lines = [
        "# Order: what a shuffle by blocks costs and gives",
        "",
        "`B x G` cuts the dataset into blocks of B neighbours, puts the blocks in random order, and mixes the samples",
        "of each G blocks in a row. `full` puts every sample anywhere, `none` keeps the order of the manifest.",
        "",
        f"![Requests, batches and learning of each order]({picture})",
        "",
        "## Randomness",
        "",
        *table([_RANDOMNESS_HEAD, *(_randomness_row(item) for item in figures)]),
        "",
        f"A dataset of {setting.num_samples} samples, sorted by its {setting.num_classes} labels, in batches of "
        f"{setting.batch_extents}. Neighbours are rows that",
        "follow one another in the manifest. Correlation is Spearman's, of a sample's place in one epoch and the next:",
        "of five pairs of epochs the one furthest from 0. Label distance is the total variation distance of a batch's",
        "labels from the dataset's: 0 is an exact image of it, 1 has nothing in common with it.",
        "",
        f"Loss is that of a network of one hidden layer on {setting.training_samples // 8} validation samples, after "
        f"{setting.epochs} epochs on {setting.training_samples} samples that are",
        f"sorted by their {setting.training_classes} labels: mean of {setting.seeds} seeds, with the lowest and the "
        "highest.",
        "",
        "## Locality",
        "",
        *table([_locality_head(), *(_locality_row(item) for item in figures)]),
        "",
        f"Samples lie side by side in objects of {size(OBJECT_BYTES)}. What a pack of {size(PACK_BYTES)} of the stream "
        "wants is merged into ranges that",
        "throw at most so much away. Packs begin anywhere, not where groups do. Figures are ranges for a MiB of",
        "samples, and what one brings in the mean.",
        "",
        "## Machine",
        "",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in machine.items()),
        "",
        "Nothing here is a time: the figures are the same on any machine, but for the last digits of the loss.",
    ]
    return "\n".join(lines) + "\n"


_RANDOMNESS_HEAD = [
    "order",
    "neighbours in one batch",
    "median distance of neighbours",
    "correlation",
    "label distance",
    "its 99th percentile",
    "loss",
]


def _randomness_row(figures: Figures) -> list[str]:
    found = figures.randomness
    return [
        figures.name,
        f"{100 * found.neighbours_in_batch:.1f} %",
        f"{found.median_distance:.0f}",
        f"{found.correlation:+.3f}",
        f"{found.label_distance:.3f}",
        f"{found.worst_label_distance:.3f}",
        f"{_mean(figures.losses):.3f} ({min(figures.losses):.3f} to {max(figures.losses):.3f})",
    ]


def _locality_head() -> list[str]:
    return ["order", *(f"{size(one)}, at most {100 * extra:g} % extra" for one in SAMPLE_BYTES for extra in MAX_EXTRAS)]


def _locality_row(figures: Figures) -> list[str]:
    found = figures.localities.values()
    return [figures.name, *(f"{one.ranges_per_mib:.2f} ({one.range_bytes / 1024:.0f} KiB)" for one in found)]


def plot(figures: Sequence[Figures], path: Path) -> None:
    """Draw ranges, label distance and loss, a line of dots for each order."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown, axes = plt.subplots(1, 3, figsize=(12, 4.6), sharey=True, constrained_layout=True)
    lines = range(len(figures))
    for colour, sample_bytes in zip(COLOURS, SAMPLE_BYTES, strict=True):
        ranges = [item.localities[sample_bytes, MAX_EXTRAS[0]].ranges_per_mib for item in figures]
        axes[0].scatter(ranges, lines, color=colour, s=34, label=f"samples of {size(sample_bytes)}", zorder=3)
    axes[0].set(xscale="log", xlabel="ranges for a MiB of samples (log)", title="Requests")
    axes[0].legend(loc="center left", fontsize=8)
    for line, item in enumerate(figures):
        axes[2].plot([min(item.losses), max(item.losses)], [line, line], color=COLOURS[0], linewidth=2)
    axes[1].scatter([item.randomness.label_distance for item in figures], lines, color=COLOURS[0], s=34, zorder=3)
    axes[1].set(xlim=(0, 1.03), xlabel="distance of a batch's labels from the dataset's", title="Batches")
    axes[2].scatter([_mean(item.losses) for item in figures], lines, color=COLOURS[0], s=34, zorder=3)
    axes[2].set(xscale="log", xlabel="validation loss (log), lowest to highest of seeds", title="Learning")
    axes[2].set_xticks([0.6, 0.8, 1, 1.5, 2, 3], ["0.6", "0.8", "1", "1.5", "2", "3"])
    axes[2].minorticks_off()
    axes[0].set_yticks(lines, [item.name for item in figures])
    axes[0].set_ylabel("samples of a block x blocks mixed")
    axes[0].invert_yaxis()
    for axis in axes:
        axis.grid(alpha=0.35, linewidth=0.6)
    shown.suptitle("Shuffle by blocks, of a dataset sorted by label: further left is better")
    shown.savefig(path, dpi=110)
    plt.close(shown)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
