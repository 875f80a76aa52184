"""KFP component of ``penstock report`` as a pipeline's exit task: the report of a run however it ended."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def report_exit(
    final_status: dsl.PipelineTaskFinalStatus,
    html: dsl.Output[dsl.HTML],
    markdown: dsl.Output[dsl.Markdown],
    cost: dsl.Output[dsl.Artifact],
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
    run_root: str = "",
    run_id: str = "",
    instance_type: str = "",
    node_usd_per_hour: str = "",
) -> dsl.ContainerSpec:
    """Make the report and the bill of a run from what its steps left in the run root, however it ended.

    Args:
        final_status: How the pipeline ended, as the backend tells it.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.
        run_root: Folder of many runs, as s3://bucket/prefix. Empty leaves nothing to bill: the reason alone is told.
        run_id: Name of the run. It is needed where run_root is given.
        instance_type: Node of the training, like g5.xlarge. Empty is the one that the run record names.
        node_usd_per_hour: Price of the node, in USD. Empty takes the price file's for the instance type.

    Returns:
        html: The report, one self-contained page that the KFP UI shows.
        markdown: A short summary that the KFP UI shows.
        cost: The bill, as JSON.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "report"],
        args=[
            "--final-status",
            final_status,
            "--options",
            options,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--instance-type",
            instance_type,
            "--node-usd-per-hour",
            node_usd_per_hour,
            "--html",
            html.path,
            "--markdown",
            markdown.path,
            "--cost",
            cost.path,
        ],
    )
