"""Scores of a language model: of parts of texts, each with what it predicted, and what it had to.

Columns of what is predicted, of a part: nats that its tokens cost; tokens that were held for the likeliest; the same of
naming each token by its share of what was trained on. Of the truth: tokens that are predicted; tokens that are learnt,
the first of a part, which nothing comes before, included; bytes that these stand for.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError, TrainingDiverged
from penstock.records import MetricValue, MetricValues
from penstock.tasks.metrics import metric_value

__all__ = ["METRICS", "PREDICTED", "TRUTH", "language_metrics"]

PREDICTED: Final = ("nats", "hits", "share_nats", "share_hits")
METRICS: Final = ("perplexity", "loss", "bits_per_byte", "token_accuracy")
TRUTH: Final = ("predicted", "learnt", "bytes")
_SHARES: Final = "naming each token by its share of what was trained on"
_MOST_EXPONENT: Final = 700.0


def language_metrics(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> MetricValues:
    """Score predictions: ``perplexity``, ``loss`` (nats a token), ``bits_per_byte``, ``token_accuracy``.

    Args:
        truth: shape (parts, 3), see ``TRUTH``.
        predicted: shape (parts, 4), see ``PREDICTED``.

    Raises:
        DataError: there are no tokens to predict.
        TrainingDiverged: a probability is not a finite number.
    """
    tokens, learnt, num_bytes = truth.sum(axis=0)
    if not tokens:
        raise DataError("there are no tokens to score", fix="take more text, so that the split is not empty")
    nats, hits, share_nats, share_hits = predicted.sum(axis=0)
    if not math.isfinite(nats):
        raise TrainingDiverged(
            "a prediction is not a finite number", fix="lower the learning rate or clip gradients more strongly"
        )
    loss, share_loss = nats / tokens, share_nats / tokens
    bits = learnt / num_bytes / math.log(2) if num_bytes else math.nan
    undefined = "the text has no bytes"
    return {
        "perplexity": _lower("perplexity", _exp(loss), _exp(share_loss)),
        "loss": _lower("loss", loss, share_loss),
        "bits_per_byte": _lower("bits per byte", loss * bits if num_bytes else undefined, share_loss * bits),
        "token_accuracy": metric_value(
            "token accuracy",
            hits / tokens,
            higher_is_better=True,
            baseline=share_hits / tokens,
            meaning="always naming the commonest token of what was trained on",
        ),
    }


def _lower(label: str, value: float | str, baseline: float) -> MetricValue:
    return metric_value(label, value, higher_is_better=False, baseline=baseline, meaning=_SHARES)


def _exp(value: float) -> float:
    return math.exp(min(value, _MOST_EXPONENT))
