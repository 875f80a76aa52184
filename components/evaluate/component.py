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
    split: str = "test",
    batch_size: int = 128,
    device: str = "auto",
    workers: int = 0,
    on_bad_sample: str = "fail",
    window: str = "",
    window_size: str = "256Mi",
    prefetch: str = "auto",
    prefetch_timeout: str = "60s",
    in_flight: int = 512,
    run_root: str = "",
    run_id: str = "",
    run_endpoint_url: str = "",
    fail_fast: bool = True,
) -> dsl.ContainerSpec:
    """Score a checkpoint on a split that it was not trained on.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        checkpoint: Weights of the train step.
        split: Split to score on. One of train, valid, test.
        batch_size: Samples at a time.
        device: Where to compute. One of auto, cpu, cuda.
        workers: Processes that decode samples. 0 decodes in the step itself.
        on_bad_sample: What to do with a sample that is gone or cannot be decoded. One of fail, skip (and name it).
        window: Folder of the window. Empty is a temporary one.
        window_size: Bound on everything in the window, like 32Mi or 1.5Gi.
        prefetch: Who fills the window. One of auto, sidecar, process.
        prefetch_timeout: How long the prefetcher may show no sign of life, like 60s.
        in_flight: Most ranges requested at a time.
        run_root: Folder of many runs, as s3://bucket/prefix; the step's record goes to <run root>/<run id>/records.
        run_id: Name of the run. It is needed where run_root is given.
        run_endpoint_url: S3-compatible server of the run root. Empty is AWS's own.
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
            "--split",
            split,
            "--batch-size",
            batch_size,
            "--device",
            device,
            "--workers",
            workers,
            "--on-bad-sample",
            on_bad_sample,
            "--window",
            window,
            "--window-size",
            window_size,
            "--prefetch",
            prefetch,
            "--prefetch-timeout",
            prefetch_timeout,
            "--in-flight",
            in_flight,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--run-endpoint-url",
            run_endpoint_url,
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
