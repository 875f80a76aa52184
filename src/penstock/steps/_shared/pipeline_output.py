"""Metrics for the Kubeflow Pipelines UI.

The backend passes the executor input as JSON where an argument is ``{{$}}``; metrics are shown when the step
writes an executor output to the path that ``outputs.outputFile`` of it names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from penstock.errors import ConfigError
from penstock.files import atomic_write
from penstock.records import Evaluation

__all__ = ["write_metrics"]

ARTIFACT = "metrics_ui"


def write_metrics(executor_input: str, found: Evaluation) -> None:
    """Write an evaluation's metrics where the backend looks for them; nothing is done outside of a pipeline.

    Raises:
        ConfigError: the executor input is not one that names an output file and a metrics artifact.
    """
    if not executor_input:
        return
    try:
        outputs = msgspec.json.decode(executor_input, type=dict[str, Any])["outputs"]
        target = Path(outputs["outputFile"])
        artifact = outputs["artifacts"][ARTIFACT]["artifacts"][0]
    except (msgspec.DecodeError, UnicodeError, RecursionError, KeyError, IndexError, TypeError) as error:
        raise ConfigError(
            f"--executor-input does not name outputs.outputFile and the artifact {ARTIFACT!r} ({error})",
            fix="pass the placeholder {{$}} of a component that has this output, or leave it out",
        ) from error
    values = {name: metric.value for name, metric in found.metrics.items() if metric.value is not None}
    shown = {"name": artifact["name"], "uri": artifact["uri"], "metadata": values}
    atomic_write(target, msgspec.json.encode({"artifacts": {ARTIFACT: {"artifacts": [shown]}}}))
