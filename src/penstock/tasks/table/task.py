"""The task ``table``: what a column says, by the others of its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.formats.whole import bytes_of
from penstock.manifest import Described
from penstock.records import MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.metrics import auroc_metric, classification_metrics, metric_value, regression_metrics
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits, OptionValue, SampleSet
from penstock.tasks.table.options import OPTIONS

__all__ = ["Table"]

_MEAN: Final = "predicting the mean"
_COMMONEST: Final = "always naming the commonest class"


class Table:
    """Predicts a column of tables by the others."""

    name = "table"
    recipe = "table"
    score = "skill"
    options = OPTIONS

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each row that has a target.

        Raises:
            SourceError: the source could not be read, or no table lies there.
            DataError: the tables cannot be used.
            ConfigError: an option cannot be honoured.
        """
        from penstock.tasks.table.making import make_samples  # here: reading tables takes what others need not

        return await make_samples(source, limits=limits, chosen=Options(self.options, options, task=self.name))

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return rows, each as numbers, shape (width,), with its target.

        Raises:
            DataError: the bytes do not mean what they should.
        """
        from penstock.tasks.table.codec import EncodedRows, RowsCodec  # here, likewise

        told = RowsCodec.read(codec)
        places = told.places(numbers)
        matrix = told.matrix(bytes_of(data), about.key, places)
        rows = None if told.first_row is None else places + told.first_row
        return EncodedRows(matrix, about.targets, numbers, table=about.key.rpartition("/")[0], rows=rows)

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score numbers as a regression, logits by class; ``skill`` is how far from learning nothing to all right."""
        if predicted.ndim == 1:
            found = regression_metrics(truth, predicted)
            of = found["r2"]
            skill: float | str = of.undefined if of.value is None else of.value
            return {"skill": metric_value("skill", skill, higher_is_better=True, baseline=0.0, meaning=_MEAN), **found}
        by_class = classification_metrics(truth, predicted)
        of = by_class["balanced_accuracy"]
        skill = of.undefined
        if of.value is not None and of.baseline is not None:
            skill = (of.value - of.baseline.value) / (1 - of.baseline.value)
        return {
            "skill": metric_value("skill", skill, higher_is_better=True, baseline=0.0, meaning=_COMMONEST),
            **by_class,
            "auroc": auroc_metric(truth, predicted),
        }
