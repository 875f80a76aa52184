"""An S3 server for tests: moto, in a process of its own, on a free port of the loopback interface."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["CREDENTIALS", "REGION", "connect", "serve_s3"]

REGION: Final = "us-east-2"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "the-test-server-takes-any"}
"""The server takes any; these are no secret."""


@contextlib.contextmanager
def serve_s3() -> Iterator[str]:
    """Serve an empty S3 for as long as the block runs; give its URL."""
    environment = {**os.environ, **CREDENTIALS}
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("moto did not start")
        yield url
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def connect(url: str) -> S3Client:
    """Return a client of the server."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def _main() -> None:
    from moto.server import ThreadedMotoServer
    from werkzeug.serving import BaseWSGIServer

    BaseWSGIServer.request_queue_size = 1024  # connections that find no room, of hundreds at once, wait half a minute
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    sys.stdout.write(f"http://{host}:{port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    _main()
