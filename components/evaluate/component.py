"""KFP component of ``penstock evaluate``: a checkpoint's metrics, as a record and in the KFP UI."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-gpu"


@dsl.container_component
def evaluate(
    manifest: dsl.Input[dsl.Dataset],
    plan: dsl.Input[dsl.Artifact],
    checkpoint: dsl.Input[dsl.Model],
    metrics: dsl.Output[dsl.Artifact],
    metrics_ui: dsl.Output[dsl.Metrics],
    plot: dsl.Output[dsl.HTML],
    model: str = "",
    window: str = "",
    window_size: str = "256Mi",
    prefetch: str = "auto",
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
    run_root: str = "",
    run_id: str = "",
    fail_fast: bool = True,
) -> dsl.ContainerSpec:
    """Score a checkpoint on a split that it was not trained on.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        checkpoint: Weights of the train step.
        model: Network of the checkpoint. It is needed where it is your own, as package.module:factory.
        window: Folder of the window. Empty is a temporary one.
        window_size: Bound on everything in the window, like 32Mi or 1.5Gi.
        prefetch: Who fills the window. One of auto, sidecar, process.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.
        run_root: Folder of many runs, as s3://bucket/prefix; the step's record goes to <run root>/<run id>/records.
        run_id: Name of the run. It is needed where run_root is given.
        fail_fast: Fail at once where an earlier attempt failed for good within the last hour, as the run root has it.

    Returns:
        metrics: Metrics and predictions, as JSON.
        metrics_ui: The same metrics for the KFP UI.
        plot: Truth against prediction, an SVG that the KFP UI shows.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "evaluate"],
        args=[
            "--manifest",
            manifest.path,
            "--plan",
            plan.path,
            "--checkpoint",
            checkpoint.path,
            "--model",
            model,
            "--window",
            window,
            "--window-size",
            window_size,
            "--prefetch",
            prefetch,
            "--options",
            options,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--fail-fast",
            fail_fast,
            "--metrics",
            metrics.path,
            "--plot",
            plot.path,
            # The backend leaves PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER as it stands; the input names the path.
            "--executor-input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
