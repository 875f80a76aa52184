"""KFP component of ``penstock pack``: a part of a dataset written anew in shards, verified."""

# Made by pipelines/compile.py of the step's options and of pipelines/declared.py: change those, not this.
# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def pack(
    into: str,
    uri: str = "",
    part: str = "1/1",
    region: str = "",
    anonymous: bool = False,
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
) -> dsl.ContainerSpec:
    """Write a dataset, or a part of it, anew in shards of a given size.

    Shards that are there already are passed over, so that a part is gone on with where it was stopped.

    Args:
        into: Where shards are written.
        uri: The dataset, as `penstock list --source` has it; or --dataset.
        part: Make every N-th shard, beginning with the I-th: N such commands, side by side, make them all.
        region: Region of the bucket. Empty is the environment's.
        anonymous: Do not sign requests: for public buckets.
        options: Other options of packing as a JSON object, like {"to": "parquet", "format": "jsonl"}; docs/pack.md has
            them.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "pack"],
        args=[
            "--into",
            into,
            "--part",
            part,
            "--region",
            region,
            "--anonymous",
            anonymous,
            "--options",
            options,
            "--",
            uri,
        ],
    )
