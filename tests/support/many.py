"""A dataset whose extents hold several samples each, and a decoder that writes down what it decodes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import obstore
from numpy.typing import NDArray
from obstore.store import LocalStore

from penstock.manifest import Described, Extent, ManifestWriter, SourceSpec, Span, sample_key
from penstock.records import Plan
from support.raw import RawDataset

SAMPLE_BYTES = 64


@dataclass(frozen=True)
class Records:
    """Decodes samples of equal size to their key, bytes and codec; ``log`` gets a line an extent."""

    log: Path

    def __call__(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{about.key}\n".encode())
        os.close(handle)
        if isinstance(data, Path):
            data = data.read_bytes()
        assert (np.diff(numbers) > 0).all()
        rows = np.frombuffer(data, np.uint8).reshape(about.num_samples, -1)
        return [(sample_key(about, number), rows[number], codec) for number in numbers.tolist()]

    @property
    def decoded(self) -> list[str]:
        """Keys of the extents that were decoded so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []


def make_many_dataset(
    root: Path,
    *,
    counts: Sequence[int],
    mix: int = 4,
    seed: int = 0,
    shuffle: bool = True,
    valid: Sequence[int] = (),
    sample_bytes: int = SAMPLE_BYTES,
) -> RawDataset:
    """Write an object of five extents each; a sample's key maps to the SHA-256 of its bytes."""
    folder = root / "data"
    folder.mkdir(parents=True)
    rng, digests = np.random.default_rng(seed), {}
    store, extents = LocalStore(folder), []
    everything = [*counts, *valid]
    for first in range(0, len(everything), 5):
        name, parts, offset = f"part-{first // 5:03}.bin", [], 0
        for number, count in enumerate(everything[first : first + 5], first):
            data = rng.bytes(count * sample_bytes)
            key = f"{name}-{number - first}"
            for at in range(count):
                own = data[at * sample_bytes : (at + 1) * sample_bytes]
                digests[key if count == 1 else f"{key}#{at}"] = hashlib.sha256(own).hexdigest()
            extents.append((key, name, offset, len(data), count))
            parts.append(data)
            offset += len(data)
        (folder / name).write_bytes(b"".join(parts))
    with ManifestWriter(root / "manifest.parquet") as writer:
        for number, (key, name, offset, size, count) in enumerate(extents):
            head = obstore.head(store, name)
            span = Span(
                object=name, version=head["e_tag"] or "", object_bytes=head["size"], offset=offset, length_bytes=size
            )
            extent = Extent(key=key, group=name, spans=(span,), codec=f"of {name}", num_samples=count)
            writer.add(extent, split="train" if number < len(counts) else "valid")
        info = writer.finish(
            task="many",
            task_options={},
            source=SourceSpec(uri=str(folder)),
            seed=seed,
            shape=(),
            classes=(),
            skipped=(),
            created_at="2026-01-01T00:00:00Z",
            created_by="test",
        )
    shuffling = "full" if shuffle else "none"
    plan = Plan(manifest_fingerprint=info.fingerprint, seed=seed, num_lanes=64, shuffle=shuffling, mix=mix)
    return RawDataset(folder=folder, manifest=root / "manifest.parquet", info=info, plan=plan, digests=digests)
