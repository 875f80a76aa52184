"""KFP component of ``penstock report`` as a pipeline's exit task: the report of a run however it ended."""

# Made by pipelines/compile.py of the step's options and of pipelines/declared.py: change those, not this.
# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def report_exit(
    html: dsl.Output[dsl.HTML],
    markdown: dsl.Output[dsl.Markdown],
    cost: dsl.Output[dsl.Artifact],
    focus: dsl.Output[dsl.Artifact],
    metrics_ui: dsl.Output[dsl.Metrics],
    final_status: dsl.PipelineTaskFinalStatus,
    run_root: str = "",
    run_id: str = "",
    instance_type: str = "",
    node_usd_per_hour: str = "",
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
) -> dsl.ContainerSpec:
    """Make the report and the bill of a run from what its steps left in the run root, however it ended.

    Args:
        final_status: How the pipeline ended, as the backend tells it.
        run_root: Folder of many runs, like s3://bucket/runs: records, checkpoints and reports of this one go to a
            folder of its id there. Empty is none, so that a step that is tried again begins anew.
        run_id: Name of the run, which a run root needs.
        instance_type: Node of the training. Empty is as recorded.
        node_usd_per_hour: Price of the node, in USD an hour. Empty is the price file's for its type.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.

    Returns:
        html: The report, one self-contained page that the KFP UI shows.
        markdown: A short summary that the KFP UI shows.
        cost: The bill, as JSON.
        focus: The bill as FOCUS 1.2, the CSV that tools for cloud costs read.
        metrics_ui: What the run cost, as metrics for the KFP UI.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "report"],
        args=[
            "--final-status",
            final_status,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--instance-type",
            instance_type,
            "--node-usd-per-hour",
            node_usd_per_hour,
            "--options",
            options,
            "--html",
            html.path,
            "--markdown",
            markdown.path,
            "--cost",
            cost.path,
            "--focus",
            focus.path,
            # The backend leaves PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER as it is; the input names the path.
            "--executor-input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
