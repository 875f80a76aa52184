"""KFP component of ``penstock report``: the page and the bill of a run, from its records alone."""

# Made by pipelines/compile.py of the step's options and of pipelines/declared.py: change those, not this.
# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def report(
    run_record: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    list_record: dsl.Input[dsl.Artifact],
    prefetch_record: dsl.Input[dsl.Artifact],
    html: dsl.Output[dsl.HTML],
    markdown: dsl.Output[dsl.Markdown],
    cost: dsl.Output[dsl.Artifact],
    focus: dsl.Output[dsl.Artifact],
    metrics_ui: dsl.Output[dsl.Metrics],
    instance_type: str = "",
    node_usd_per_hour: str = "",
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
) -> dsl.ContainerSpec:
    """Make the report and the bill of a run.

    Args:
        run_record: Run record of the train step.
        evaluation: Metrics of the evaluate step.
        list_record: Record of the list step.
        prefetch_record: Record of the prefetch step.
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
            "--run-record",
            run_record.path,
            "--evaluation",
            evaluation.path,
            "--step-record",
            list_record.path,
            "--step-record",
            prefetch_record.path,
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
