"""A folder and a bucket that are filled alike."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from penstock.records import SourceSpec
from penstock.sources import ClientLimits
from support.cli import Bucket

QUICK = ClientLimits(connect_timeout_seconds=2, request_timeout_seconds=10, max_retries=2, retry_seconds=10)


class Place(Protocol):
    """Somewhere to put objects."""

    kind: Literal["local", "s3"]

    def spec(self, prefix: str = "") -> SourceSpec: ...

    def put(self, key: str, data: bytes) -> None: ...

    def delete(self, key: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Folder:
    path: Path
    kind: Literal["local"] = "local"

    def spec(self, prefix: str = "") -> SourceSpec:
        return SourceSpec(uri=str(self.path / prefix))

    def put(self, key: str, data: bytes) -> None:
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_bytes(data)
        if path.stat().st_mtime_ns // 1000 == before // 1000:  # the clock's grain: see penstock.sources.objects
            os.utime(path, ns=(before + 1_000_000, before + 1_000_000))

    def delete(self, key: str) -> None:
        (self.path / key).unlink()


@dataclass(frozen=True, kw_only=True)
class BucketPlace:
    bucket: Bucket
    kind: Literal["s3"] = "s3"

    def spec(self, prefix: str = "") -> SourceSpec:
        uri = f"{self.bucket.uri}/{prefix}"
        return SourceSpec(uri=uri, endpoint_url=self.bucket.url, region="us-east-2")

    def put(self, key: str, data: bytes) -> None:
        self.bucket.put(key, data)

    def delete(self, key: str) -> None:
        self.bucket.client.delete_object(Bucket=self.bucket.name, Key=key)
