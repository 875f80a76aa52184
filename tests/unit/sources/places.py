"""A folder and a bucket that are filled alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import quote

from penstock.manifest import SourceSpec
from penstock.sources import ClientLimits, ObjectInfo, ObjectSource
from support.azure_server import Azure
from support.cli import Bucket
from support.gcs_server import Gcs

QUICK = ClientLimits(connect_timeout_seconds=2, request_timeout_seconds=10, max_retries=2, retry_seconds=10)


GUARD = b"\xa5" * 64

Read = Callable[[ObjectSource, ObjectInfo, int, int], Coroutine[Any, Any, bytes]]


async def by_get_range(source: ObjectSource, info: ObjectInfo, offset: int, length_bytes: int) -> bytes:
    return bytes(await source.get_range(info, offset, length_bytes))


async def by_read_into(source: ObjectSource, info: ObjectInfo, offset: int, length_bytes: int) -> bytes:
    """Read to a place, and see that nothing beside it was touched."""
    memory = bytearray(GUARD + bytes(length_bytes) + GUARD)
    try:
        await source.read_into(info, offset, memoryview(memory)[len(GUARD) : len(GUARD) + length_bytes])
    finally:
        assert memory[: len(GUARD)] == memory[len(GUARD) + length_bytes :] == GUARD
    return bytes(memory[len(GUARD) : len(GUARD) + length_bytes])


class Place(Protocol):
    """Somewhere to put objects."""

    kind: Literal["local", "s3", "gs", "az", "html", "json"]

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
        if path.stat().st_mtime_ns // 1000 == before // 1000:  # the clock's grain: see penstock.sources.opening
            os.utime(path, ns=(before + 1_000_000, before + 1_000_000))

    def delete(self, key: str) -> None:
        (self.path / key).unlink()


@dataclass(frozen=True, kw_only=True)
class WebFolder:
    path: Path
    url: str
    kind: Literal["html", "json"]

    def spec(self, prefix: str = "") -> SourceSpec:
        return SourceSpec(uri=f"{self.url}/{quote(prefix.strip('/'))}/" if prefix else f"{self.url}/")

    def put(self, key: str, data: bytes) -> None:
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.stat().st_mtime if path.exists() else 0.0
        path.write_bytes(data)
        if before:  # nginx tells versions by seconds
            os.utime(path, (before + 2, before + 2))

    def delete(self, key: str) -> None:
        (self.path / key).unlink()


@dataclass(frozen=True, kw_only=True)
class GcsPlace:
    server: Gcs
    kind: Literal["gs"] = "gs"

    def spec(self, prefix: str = "") -> SourceSpec:
        return SourceSpec.of(f"{self.server.uri}/{prefix}", endpoint_url=self.server.url)

    def put(self, key: str, data: bytes) -> None:
        self.server.put(key, data)

    def delete(self, key: str) -> None:
        del self.server.objects[key]


@dataclass(frozen=True, kw_only=True)
class AzurePlace:
    server: Azure
    kind: Literal["az"] = "az"

    def spec(self, prefix: str = "") -> SourceSpec:
        return SourceSpec.of(f"{self.server.uri}/{prefix}", endpoint_url=self.server.url)

    def put(self, key: str, data: bytes) -> None:
        self.server.put(key, data)

    def delete(self, key: str) -> None:
        del self.server.objects[key]


@dataclass(frozen=True, kw_only=True)
class BucketPlace:
    bucket: Bucket
    kind: Literal["s3"] = "s3"

    def spec(self, prefix: str = "") -> SourceSpec:
        uri = f"{self.bucket.uri}/{prefix}"
        return SourceSpec.of(uri, endpoint_url=self.bucket.url, region="us-east-2")

    def put(self, key: str, data: bytes) -> None:
        self.bucket.put(key, data)

    def delete(self, key: str) -> None:
        self.bucket.client.delete_object(Bucket=self.bucket.name, Key=key)
