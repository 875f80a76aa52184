"""KFP component of ``penstock list``: a dataset's samples and their order, not its bytes."""

# Made by pipelines/compile.py of the step's options and of pipelines/declared.py: change those, not this.
# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def list_(
    manifest: dsl.Output[dsl.Dataset],
    plan: dsl.Output[dsl.Artifact],
    record: dsl.Output[dsl.Artifact],
    dataset: str = "",
    source: str = "",
    region: str = "",
    anonymous: bool = False,
    task: str = "",
    task_options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
    window_size: str = "",
    run_root: str = "",
    run_id: str = "",
    fail_fast: bool = True,
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
) -> dsl.ContainerSpec:
    """List a dataset, make its samples and split them.

    Args:
        dataset: Description of the dataset, or of a mix of several, as penstock.open reads it: a YAML file, its URI, or
            its text; it says source, task and options, and may say window, batch and transform.
        source: Where the dataset lies: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix,
            hf://datasets/org/name, https://host/folder/ or a local folder.
        region: Region of the bucket. Empty is the environment's.
        anonymous: Do not sign requests: for public buckets.
        task: What is learnt. Like chat, clips, video-text, eeg-c1, eeg-c2, eeg-events, images, table, text, xray, or
            your own.
        task_options: Options of the task as one JSON object, like {"labels": "labels.csv", "size": 128}.
        window_size: Window that it will be read through, by which parts of --repeat are chosen. Empty is 256Mi, or what
            the task says: 10Gi of video-text.
        run_root: Folder of many runs, like s3://bucket/runs: records, checkpoints and reports of this one go to a
            folder of its id there. Empty is none, so that a step that is tried again begins anew.
        run_id: Name of the run, which a run root needs.
        fail_fast: Fail at once where an earlier attempt, as the run root has it, failed for good within the last hour.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.

    Returns:
        manifest: Every sample with its spans, labels and split, as Parquet.
        plan: Order of the samples, as JSON.
        record: What the listing took, as JSON.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "list"],
        args=[
            "--dataset",
            dataset,
            "--source",
            source,
            "--region",
            region,
            "--anonymous",
            anonymous,
            "--task",
            task,
            "--task-options",
            task_options,
            "--window-size",
            window_size,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--fail-fast",
            fail_fast,
            "--options",
            options,
            "--manifest",
            manifest.path,
            "--plan",
            plan.path,
            "--record",
            record.path,
        ],
    )
