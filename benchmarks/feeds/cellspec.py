"""The values that pass between the harness and the process of a cell.

Knows the standard library alone: it is imported in the environment of Penstock and in that of the peers.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BUCKET = "bench"
REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A dataset in all its layouts.

    Attributes:
        name: its folder in the bucket.
        total: sum over all samples of their bytes read as little-endian int64, modulo 2**64.
        shard_bytes: size that shards of packed layouts are cut at.
    """

    name: str
    root: str
    num_samples: int
    sample_bytes: int
    shard_bytes: int
    total: int

    @property
    def folder(self) -> Path:
        """Where its objects lie."""
        return Path(self.root) / BUCKET / self.name

    def plain_key(self, number: int) -> str:
        """Return the key of a sample as an object of its own."""
        return f"{self.name}/plain/{number:08}.bin"

    def keys(self, layout: str, pattern: str) -> list[str]:
        """Return the keys of a layout's objects, sorted."""
        found = sorted((self.folder / layout).glob(pattern))
        return [f"{self.name}/{layout}/{path.relative_to(self.folder / layout)}" for path in found]


@dataclass(frozen=True, kw_only=True)
class CellSpec:
    """One measurement.

    Attributes:
        cache: folder of the cell's own; the disk that it takes is what lies there.
        limit_bytes: of the cache, asked of those that have such a limit.
        max_seconds: after which the cell stops and tells how far it came.
    """

    contender: str
    data: DataSpec
    endpoint: str
    latency_seconds: float
    cache: str
    limit_bytes: int
    batch_size: int
    num_workers: int
    max_seconds: float
    profile: str = ""

    @property
    def cache_folder(self) -> Path:
        """Where the contender may keep bytes."""
        return Path(self.cache) / "cache"

    @property
    def url(self) -> str:
        """Address of the bucket."""
        return f"{self.endpoint}/{BUCKET}"


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """What a cell gave.

    Attributes:
        first_seconds: from before the feed is opened to the first batch.
        seconds: from before the feed is opened to the last batch.
        cpu_seconds: of the process and its children, imports of the trainer left out.
        steady_cpu_seconds: of the same, from the first batch to the last.
        stopped: whether the time ran out before the epoch did.
    """

    num_samples: int = 0
    num_bytes: int = 0
    first_samples: int = 0
    total: int = 0
    first_seconds: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    cpu_children_seconds: float = 0.0
    steady_cpu_seconds: float = 0.0
    stopped: bool = False
    checked: bool = True
    config: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def encode(value: CellSpec | CellResult) -> str:
    """Write a value as JSON."""
    return json.dumps(dataclasses.asdict(value))


def decode_spec(text: str) -> CellSpec:
    """Read a cell's specification."""
    found = json.loads(text)
    return CellSpec(**(found | {"data": DataSpec(**found["data"])}))


def decode_result(text: str) -> CellResult:
    """Read a cell's result."""
    return CellResult(**json.loads(text))
