"""KFP component of ``penstock prefetch``: a probe that streams the first samples, and passes none of them on."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def prefetch(
    manifest: dsl.Input[dsl.Dataset],
    plan: dsl.Input[dsl.Artifact],
    record: dsl.Output[dsl.Artifact],
    samples: int = 256,
    window: str = "",
    window_size: str = "256Mi",
    prefetch: str = "process",
    prefetch_timeout: str = "60s",
    in_flight: int = 512,
    run_root: str = "",
    run_id: str = "",
    run_endpoint_url: str = "",
    fail_fast: bool = True,
) -> dsl.ContainerSpec:
    """Stream the first samples of a manifest through a window and check every byte.

    A missing permission, or a window too small, is found here: before a GPU is paid for.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        samples: Samples to stream.
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
        record: How fast the samples came and what it took, as JSON.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "prefetch"],
        args=[
            "--manifest",
            manifest.path,
            "--plan",
            plan.path,
            "--samples",
            samples,
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
            "--record",
            record.path,
        ],
    )
