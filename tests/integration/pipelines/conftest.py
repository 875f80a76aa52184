"""A bucket with a small generated dataset, and the backend's stand-in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.pipelines.executor import Backend, Step, Store
from integration.pipelines.processes import Processes, step_env
from penstock.demo.generate import DemoDataset, generate_dataset
from support.moto_s3 import CREDENTIALS, REGION, connect, serve_s3

DATASET_BYTES = 12_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A dataset at ``s3://eeg/demo``, and an empty bucket ``runs``."""

    url: str
    dataset: DemoDataset


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    with serve_s3() as url:
        client = connect(url)
        for name in ("eeg", "runs"):
            client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})

        def put(key: str, data: bytes) -> None:
            client.put_object(Bucket="eeg", Key=f"demo/{key}", Body=data)

        yield Bucket(url=url, dataset=generate_dataset(put, size_bytes=DATASET_BYTES, num_trials=16))


@pytest.fixture
def backend(bucket: Bucket, tmp_path: Path) -> Backend:
    return make_backend(tmp_path)


def make_backend(
    folder: Path,
    *,
    retries: bool = True,
    ends: Mapping[str, Callable[[Step], bool]] | None = None,
    secret: Mapping[str, str] | None = None,
) -> Backend:
    """Make a backend whose store and pods are in a folder.

    Args:
        ends: as ``Processes`` has it.
        secret: variables that the pods have of a secret, beside those of S3.
    """
    shared = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "AWS_DEFAULT_REGION": REGION, **CREDENTIALS}
    env = step_env(**shared, **(secret or {}))
    launcher = Processes(folder=folder / "pods", env=env, ends=ends or {})
    return Backend(store=Store(folder=folder / "store"), launcher=launcher, retries=retries)
