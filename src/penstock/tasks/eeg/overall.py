"""The overall score of the NeurIPS 2025 EEG challenge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.errors import ConfigError
from penstock.records import Evaluation, MetricValue
from penstock.tasks.metrics import metric_value

__all__ = ["overall_score"]

_WEIGHTS: Final = {"eeg-c1": 0.3, "eeg-c2": 0.7}


def overall_score(evaluations: Sequence[Evaluation]) -> MetricValue:
    """Join the NRMSEs of both challenges as the challenge does; 1.0 is predicting the means.

    Raises:
        ConfigError: they are not of c1 and c2.
    """
    tasks = [found.task for found in evaluations]
    if sorted(tasks) != sorted(_WEIGHTS):
        raise ConfigError(
            f"an overall score is of eeg-c1 and eeg-c2, these are of {' and '.join(tasks)}",
            fix="pass the metrics of one of each",
        )
    values = {found.task: found.metrics[found.score].value for found in evaluations}
    missing = next((task for task in _WEIGHTS if values[task] is None), None)
    joined = sum(weight * (values[task] or 0) for task, weight in _WEIGHTS.items())
    return metric_value(
        "overall",
        joined if missing is None else f"the score of {missing} is undefined",
        higher_is_better=False,
        baseline=1.0,
        meaning="predicting the mean",
    )
