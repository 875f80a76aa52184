"""KFP component of ``penstock evaluate``: a checkpoint's metrics, as a record and in the KFP UI."""

# Made by pipelines/compile.py of the step's options and of pipelines/declared.py: change those, not this.
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
    window: str = "",
    window_size: str = "",
    prefetch: str = "auto",
    model: str = "",
    run_root: str = "",
    run_id: str = "",
    fail_fast: bool = True,
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
) -> dsl.ContainerSpec:
    """Score a checkpoint on a split that it was not trained on.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        checkpoint: Weights of the train step.
        window: Folder of the window. Empty is a temporary one.
        window_size: Bound on everything in the folder, like 32Mi or 1.5Gi. Empty is 256Mi, or what the task says: 10Gi
            of video-text.
        prefetch: Who fills the window: a sidecar that serves it, a child process, or auto: the sidecar if there is one.
            One of auto, sidecar, process.
        model: Network of the checkpoint; to be given where it is your own (package.module:factory), whose code is run.
            Empty is the checkpoint's.
        run_root: Folder of many runs, like s3://bucket/runs: records, checkpoints and reports of this one go to a
            folder of its id there. Empty is none, so that a step that is tried again begins anew.
        run_id: Name of the run, which a run root needs.
        fail_fast: Fail at once where an earlier attempt, as the run root has it, failed for good within the last hour.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.

    Returns:
        metrics: Metrics and predictions, as JSON.
        metrics_ui: The same metrics for the KFP UI.
        plot: Predictions against the truth, an SVG that the KFP UI shows.
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
            "--window",
            window,
            "--window-size",
            window_size,
            "--prefetch",
            prefetch,
            "--model",
            model,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--fail-fast",
            fail_fast,
            "--options",
            options,
            "--metrics",
            metrics.path,
            "--plot",
            plot.path,
            # The backend leaves PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER as it is; the input names the path.
            "--executor-input",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )
