"""KFP component of ``penstock forecast``: what a run would take and cost, before a GPU is paid for."""

# Made by pipelines/compile.py of the step's options and of pipelines/declared.py: change those, not this.
# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def forecast(
    manifest: dsl.Input[dsl.Dataset],
    plan: dsl.Input[dsl.Artifact],
    measured: dsl.Input[dsl.Artifact],
    html: dsl.Output[dsl.HTML],
    markdown: dsl.Output[dsl.Markdown],
    record: dsl.Output[dsl.Artifact],
    metrics_ui: dsl.Output[dsl.Metrics],
    epochs: int = 10,
    instance_type: str = "",
    window_size: str = "",
    node_usd_per_hour: str = "",
    run_root: str = "",
    run_id: str = "",
    fail_fast: bool = True,
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
) -> dsl.ContainerSpec:
    """Forecast what a run takes and costs, each way that its data could go.

    It reads a listing and what the probe measured, and nothing of the source.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        measured: Record of the prefetch step, for the rate of the link.
        epochs: Passes over the data.
        instance_type: Node to forecast for; may be repeated. Empty is one at --node-usd-per-hour.
        window_size: Window to stream through. Empty is 10Gi, or what holds all of the data where that is less.
        node_usd_per_hour: Price of the node, in USD an hour. Empty is the price file's for its type.
        run_root: Folder of many runs, like s3://bucket/runs: records, checkpoints and reports of this one go to a
            folder of its id there. Empty is none, so that a step that is tried again begins anew.
        run_id: Name of the run, which a run root needs.
        fail_fast: Fail at once where an earlier attempt, as the run root has it, failed for good within the last hour.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.

    Returns:
        html: The forecast, one self-contained page that the KFP UI shows.
        markdown: A short summary that the KFP UI shows.
        record: The forecast, as JSON.
        metrics_ui: What is recommended, in figures, for the KFP UI.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "forecast"],
        args=[
            "--manifest",
            manifest.path,
            "--plan",
            plan.path,
            "--measured",
            measured.path,
            "--epochs",
            epochs,
            "--instance-type",
            instance_type,
            "--window-size",
            window_size,
            "--node-usd-per-hour",
            node_usd_per_hour,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--fail-fast",
            fail_fast,
            "--options",
            options,
            "--html",
            html.path,
            "--markdown",
            markdown.path,
            "--record",
            record.path,
            # The backend leaves PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER as it is; the input names the path.
            "--executor-input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
