"""KFP component of ``penstock list``: a dataset's samples and their order, not its bytes."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def list_(
    manifest: dsl.Output[dsl.Dataset],
    plan: dsl.Output[dsl.Artifact],
    record: dsl.Output[dsl.Artifact],
    source: str = "s3://nmdatasets/NeurIPS25",
    region: str = "us-east-2",
    anonymous: bool = True,
    task: str = "eeg-c1",
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
    run_root: str = "",
    run_id: str = "",
    fail_fast: bool = True,
) -> dsl.ContainerSpec:
    """List a dataset, make its samples and split them.

    Args:
        source: Where the dataset lies, as s3://bucket/prefix.
        region: Region of the source's bucket. Empty is the environment's.
        anonymous: Do not sign requests, for public buckets.
        task: What is learnt. One of eeg-c1, eeg-c2, eeg-events, images, or your own.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.
        run_root: Folder of many runs, as s3://bucket/prefix; the step's record goes to <run root>/<run id>/records.
        run_id: Name of the run. It is needed where run_root is given.
        fail_fast: Fail at once where an earlier attempt failed for good within the last hour, as the run root has it.

    Returns:
        manifest: Every sample with its spans, labels and split, as Parquet.
        plan: Order of the samples, as JSON.
        record: What the listing took, as JSON.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "list"],
        args=[
            "--source",
            source,
            "--region",
            region,
            "--anonymous",
            anonymous,
            "--task",
            task,
            "--options",
            options,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--fail-fast",
            fail_fast,
            "--manifest",
            manifest.path,
            "--plan",
            plan.path,
            "--record",
            record.path,
        ],
    )
