"""How near an order is to one that is drawn at random."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.order.orders import epoch_rows
from penstock.records import Shuffle

__all__ = ["Randomness", "measure_randomness"]


@dataclass(frozen=True, kw_only=True)
class Randomness:
    """Figures of one order.

    Attributes:
        neighbours_in_batch: part of the pairs of neighbours in the manifest that are in one batch.
        median_distance: median number of positions between such neighbours.
        correlation: Spearman's, of a sample's positions in two epochs, highest of five pairs of epochs.
        label_distance: mean total variation distance of a batch's labels from the dataset's, on a dataset that is
            sorted by label.
        worst_label_distance: the 99th percentile.
    """

    neighbours_in_batch: float
    median_distance: float
    correlation: float
    label_distance: float
    worst_label_distance: float


def measure_randomness(
    shuffle: Shuffle, *, num_samples: int, batch_extents: int, num_classes: int, seed: int
) -> Randomness:
    """Measure the order of a seed; ``num_samples`` is a multiple of both others."""
    epochs = [epoch_rows(shuffle, num_samples, seed=seed, epoch=epoch) for epoch in range(6)]
    places = [_places(rows) for rows in epochs]
    gaps = np.abs(np.diff(places[0]))
    together = places[0][:-1] // batch_extents == places[0][1:] // batch_extents
    distances = np.concatenate([_label_distances(rows, batch_extents, num_classes) for rows in epochs[:3]])
    correlations = [float(np.corrcoef(one, other)[0, 1]) for one, other in itertools.pairwise(places)]
    return Randomness(
        neighbours_in_batch=float(together.mean()),
        median_distance=float(np.median(gaps)),
        correlation=max(correlations, key=abs),
        label_distance=float(distances.mean()),
        worst_label_distance=float(np.quantile(distances, 0.99)),
    )


def _places(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    places = np.empty_like(rows)
    places[rows] = np.arange(len(rows))
    return places


def _label_distances(rows: NDArray[np.int64], batch_extents: int, num_classes: int) -> NDArray[np.float64]:
    """Return each batch's distance from even labels, shape (batches,)."""
    labels = rows * num_classes // len(rows)
    num_batches = len(rows) // batch_extents
    counts = np.zeros((num_batches, num_classes))
    np.add.at(counts, (np.arange(len(rows)) // batch_extents, labels), 1)
    distances: NDArray[np.float64] = np.abs(counts / batch_extents - 1 / num_classes).sum(axis=1) / 2
    return distances
