"""The option that pipelines show metrics by."""

from __future__ import annotations

from penstock.options import Options, option

__all__ = ["ExecutorInputOption"]


class ExecutorInputOption(Options, group="output", in_pipelines=False):
    """Where Kubeflow Pipelines looks for metrics."""

    executor_input: str = option(
        read=str,
        default="",
        metavar="JSON",
        told="executor input of Kubeflow Pipelines; pipelines pass it",
        hidden=True,
        of_parent=True,
    )
