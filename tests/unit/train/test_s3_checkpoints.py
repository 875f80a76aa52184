"""A whole run with its checkpoints in S3."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from penstock.errors import SourceUnavailable
from penstock.sources import open_blobs
from penstock.train.checkpoint import load_weights
from unit.train import runs


@pytest.fixture
def endpoint_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="runs")
    yield url
    server.stop()


def test_a_run_resumes_from_s3(endpoint_url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    blobs = open_blobs("s3://runs/one", endpoint_url=endpoint_url, region="us-east-1")

    def fail(epoch: int, position: int) -> None:
        if (epoch, position) == (1, 32):
            raise SourceUnavailable("s3://b/k did not answer", fix="try again")

    with pytest.raises(SourceUnavailable):
        runs.run(blobs, before_batch=fail)
    result = runs.run(blobs)
    assert result.journal.num_resumes == 1
    assert result.weights_sha256 == runs.run(tmp_path_factory.mktemp("local")).weights_sha256
    assert result.checkpoint is not None
    assert result.checkpoint.startswith("s3://runs/one/best-")
    weights = load_weights("s3://runs/one", endpoint_url=endpoint_url, region="us-east-1")
    assert weights.location == result.checkpoint
    lone = load_weights(result.checkpoint, endpoint_url=endpoint_url, region="us-east-1")
    assert lone.sha256 == weights.sha256
