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
    endpoint_url: str = "",
    region: str = "us-east-2",
    anonymous: bool = True,
    requester_pays: bool = False,
    task: str = "eeg-c1",
    task_options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
    max_files: int = 0,
    release: str = "",
    mini: bool = False,
    on_bad_object: str = "fail",
    split: str = "0.7,0.15,0.15",
    split_by: str = "group",
    seed: int = 0,
    lanes: int = 64,
    shuffle: str = "full",
    shuffle_block: int = 0,
    shuffle_mix: int = 0,
    run_root: str = "",
    run_id: str = "",
    run_endpoint_url: str = "",
    fail_fast: bool = True,
) -> dsl.ContainerSpec:
    """List a dataset, make its samples and split them.

    Args:
        source: Where the dataset lies, as s3://bucket/prefix.
        endpoint_url: S3-compatible server of the source. Empty is AWS's own.
        region: Region of the source's bucket. Empty is the environment's.
        anonymous: Do not sign requests, for public buckets.
        requester_pays: Agree to pay for requests and transfer of a requester-pays bucket.
        task: What is learnt. One of eeg-c1, eeg-c2, eeg-events.
        task_options: Options of the task as a JSON object, like {"epoch-seconds": 2}.
        max_files: Take at most this many recordings. 0 takes all.
        release: Take these releases only, like R1,R2. Empty takes all there are.
        mini: Take the small version of each release.
        on_bad_object: What to do with a recording that cannot be used. One of fail, skip.
        split: Fractions of train, valid and test, joined by commas.
        split_by: Whether a group (subject) stays whole or samples are split one by one. One of group, sample.
        seed: Seed of splits, order and weights.
        lanes: Ordered streams of samples that ranks share out.
        shuffle: How the training split is shuffled anew each epoch. One of full, block, none.
        shuffle_block: Consecutive samples of a block, with block. 0 chooses by their size.
        shuffle_mix: Blocks whose samples are mixed, with block. 0 chooses by their size.
        run_root: Folder of many runs, as s3://bucket/prefix; the step's record goes to <run root>/<run id>/records.
        run_id: Name of the run. It is needed where run_root is given.
        run_endpoint_url: S3-compatible server of the run root. Empty is AWS's own.
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
            "--endpoint-url",
            endpoint_url,
            "--region",
            region,
            "--anonymous",
            anonymous,
            "--requester-pays",
            requester_pays,
            "--task",
            task,
            "--task-options",
            task_options,
            "--max-files",
            max_files,
            "--release",
            release,
            "--mini",
            mini,
            "--on-bad-object",
            on_bad_object,
            "--split",
            split,
            "--split-by",
            split_by,
            "--seed",
            seed,
            "--lanes",
            lanes,
            "--shuffle",
            shuffle,
            "--shuffle-block",
            shuffle_block,
            "--shuffle-mix",
            shuffle_mix,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--run-endpoint-url",
            run_endpoint_url,
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
