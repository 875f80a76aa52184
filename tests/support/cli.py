"""The real command line in a process of its own, and buckets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.forked import run_forked

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket of a test's own."""

    name: str
    url: str
    client: S3Client

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"

    @property
    def options(self) -> list[str]:
        return ["--endpoint-url", self.url, "--region", "us-east-2"]

    def put(self, key: str, data: bytes, *, public: bool = False) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data, ACL="public-read" if public else "private")

    def upload(self, folder: Path, prefix: str = "") -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}{path.relative_to(folder)}", path.read_bytes())

    def empty(self) -> None:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name):
            for item in page.get("Contents", []):
                self.client.delete_object(Bucket=self.name, Key=item["Key"])
        self.client.delete_bucket(Bucket=self.name)


def command(*words: object) -> list[str]:
    """Return the argv of a Penstock step, for a process that is not forked from one that has imported torch."""
    return [sys.executable, "-m", "penstock", *map(str, words)]


def penstock(
    *words: object, environment: Mapping[str, str] | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run a Penstock step to its end."""
    changed = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    return run_forked(words, environment=changed, timeout=timeout)


def succeed(*words: object) -> str:
    """Run a Penstock step that must succeed; give what it printed."""
    done = penstock(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(code: int, pattern: str, *words: object) -> str:
    """Run a Penstock step that must end with a code and one line, which is given, that fits a pattern."""
    done = penstock(*words)
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(pattern, lines[0]), lines[0]
    return lines[0]
