"""Names of metrics as people write them."""

from __future__ import annotations

import re

__all__ = ["metric_label"]

_WRITTEN = {"r2": "R²", "f1": "F1", "c1": "challenge 1", "c2": "challenge 2"}
_CAPITALS = {"acc", "auc", "auroc", "mae", "mse", "nrmse", "rmse"}


def metric_label(name: str) -> str:
    """Write a metric's name for a person: ``nrmse`` is NRMSE, ``balanced_accuracy`` is balanced accuracy."""
    words = [word for word in re.split(r"_+", name) if word]
    return " ".join(word.upper() if word in _CAPITALS else _WRITTEN.get(word, word) for word in words) or name
