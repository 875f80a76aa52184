"""How well captions are matched to videos: of all captions of a split, where each video's own comes.

Shapes: N videos, D numbers that stand for a video, and for a caption.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import TrainingDiverged
from penstock.records import MetricValue, MetricValues
from penstock.tasks.metrics import metric_value

__all__ = ["METRICS", "best_captions", "matching_metrics", "ranks_of"]

METRICS: Final = ("recall_at_1", "recall_at_5", "mean_rank", "mean_reciprocal_rank")
_ROWS_AT_ONCE: Final = 512
_CHANCE: Final = "captions in an order of chance"


def matching_metrics(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> MetricValues:
    """Score matches: ``recall_at_1``, ``recall_at_5``, ``mean_rank`` and ``mean_reciprocal_rank``.

    Args:
        truth: a number for each caption, the same for those that say the same, shape (N, 1).
        predicted: videos beside captions, shape (N, 2 D), which match the more the larger their product is.

    Raises:
        TrainingDiverged: a number is not finite.
    """
    if not np.isfinite(predicted).all():
        raise TrainingDiverged(
            "a prediction is not a finite number", fix="lower the learning rate or clip gradients more strongly"
        )
    ranks, count = ranks_of(truth, predicted), len(np.unique(truth))
    reciprocal = sum(1 / rank for rank in range(1, count + 1)) / max(count, 1)
    return {
        "recall_at_1": _higher("recall at 1", float((ranks < 1.5).mean()), 1 / count),
        "recall_at_5": _higher("recall at 5", float((ranks < 5.5).mean()), min(1.0, 5 / count)),
        "mean_rank": metric_value(
            f"mean rank of {count}",
            float(ranks.mean()),
            higher_is_better=False,
            baseline=(count + 1) / 2,
            meaning=_CHANCE,
        ),
        "mean_reciprocal_rank": _higher("mean reciprocal rank", float((1 / ranks).mean()), reciprocal),
    }


def _higher(label: str, value: float, baseline: float) -> MetricValue:
    return metric_value(label, value, higher_is_better=True, baseline=baseline, meaning=_CHANCE)


def ranks_of(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each video's caption among all that differ, 1 the best, the mean one of equals, shape (N,)."""
    videos, captions, numbers = _split(truth, predicted)
    ranks = np.empty(len(truth))
    for first in range(0, len(truth), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        matches = videos[rows] @ captions.T
        own = np.take_along_axis(matches, numbers[rows, None], axis=1)
        better, equal = (matches > own).sum(axis=1), (matches == own).sum(axis=1)
        ranks[rows] = better + (equal + 1) / 2
    return ranks


def best_captions(truth: NDArray[np.float64], predicted: NDArray[np.float64], rows: NDArray[np.int64]) -> list[int]:
    """Return which row's caption matches each of some videos best."""
    videos, captions, _ = _split(truth, predicted)
    _, firsts = np.unique(truth[:, 0], return_index=True)
    found: list[int] = firsts[(videos[rows] @ captions.T).argmax(axis=1)].tolist()
    return found


def _split(
    truth: NDArray[np.float64], predicted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return videos (N, D), captions that differ (captions, D), and which of them each video's is, shape (N,)."""
    half = predicted.shape[1] // 2
    _, firsts, numbers = np.unique(truth[:, 0], return_index=True, return_inverse=True)
    return predicted[:, :half], predicted[firsts, half:], numbers
