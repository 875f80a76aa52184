"""An S3 server in a process of its own, for steps that run as processes too."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Server:
    """A server that runs.

    Attributes:
        env: what a process needs in its environment to be let in; the endpoint is not in it.
    """

    endpoint_url: str
    env: dict[str, str]

    def client(self) -> S3Client:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=self.env["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start moto's server on a free port; it has no buckets."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        endpoint_url = _wait_for_url(process)
        # it logs each request: somebody must read that, or it blocks when the pipe is full
        threading.Thread(target=process.stderr.read, name="penstock-s3-log-0", daemon=True).start()
        yield S3Server(endpoint_url=endpoint_url, env=dict(CREDENTIALS))
    finally:
        process.terminate()
        process.wait()


def _wait_for_url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"Running on (http://[\d.:]+)", line):
            return found[1]
    raise RuntimeError(f"the S3 server ended with {process.wait()}: {''.join(said)}")
