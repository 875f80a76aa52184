"""A bucket with a small generated dataset, and the backend's stand-in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.pipelines.executor import Backend, step_env
from penstock.demo.generate import DemoDataset, generate_dataset
from support.s3 import S3Server, s3_server

DATASET_BYTES = 12_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """A dataset at ``s3://eeg/demo``, and an empty bucket ``runs``."""

    server: S3Server
    dataset: DemoDataset


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    with s3_server() as server:
        client = server.client()
        for name in ("eeg", "runs"):
            client.create_bucket(Bucket=name)

        def put(key: str, data: bytes) -> None:
            client.put_object(Bucket="eeg", Key=f"demo/{key}", Body=data)

        yield Bucket(server=server, dataset=generate_dataset(put, size_bytes=DATASET_BYTES, num_trials=16))


@pytest.fixture
def backend(bucket: Bucket, tmp_path: Path) -> Backend:
    env = step_env(PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin", **bucket.server.env)
    return Backend(folder=tmp_path, env=env)
