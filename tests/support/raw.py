"""A dataset of random bytes whose samples know what they should be."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import obstore
from obstore.store import LocalStore

from penstock.manifest import Extent, ManifestInfo, ManifestWriter, SourceSpec, Span
from penstock.records import Plan


@dataclass(frozen=True, kw_only=True)
class RawDataset:
    folder: Path
    manifest: Path
    info: ManifestInfo
    plan: Plan
    digests: dict[str, str]


def make_raw_dataset(
    root: Path,
    *,
    sizes: Sequence[int],
    per_object: int = 10,
    seed: int = 0,
    shuffle: bool = True,
    num_valid: int = 0,
    source: SourceSpec | None = None,
) -> RawDataset:
    """Write objects of ``per_object`` samples each; a sample's key maps to the SHA-256 of its bytes."""
    folder = root / "data"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    digests: dict[str, str] = {}
    spans: list[tuple[str, str, int, int]] = []
    for first in range(0, len(sizes), per_object):
        name, parts, offset = f"object-{first:05}.bin", [], 0
        for number, size in enumerate(sizes[first : first + per_object], first):
            data = rng.bytes(size)
            digests[f"sample-{number}"] = hashlib.sha256(data).hexdigest()
            spans.append((f"sample-{number}", name, offset, size))
            parts.append(data)
            offset += size
        (folder / name).write_bytes(b"".join(parts))
    store = LocalStore(folder)
    heads = {name: obstore.head(store, name) for name in {span[1] for span in spans}}
    manifest = root / "manifest.parquet"
    with ManifestWriter(manifest) as writer:
        for number, (key, name, offset, size) in enumerate(spans):
            span = Span(
                object=name,
                version=heads[name]["e_tag"] or "",
                object_bytes=heads[name]["size"],
                offset=offset,
                length_bytes=size,
            )
            extent = Extent(
                key=key, group=f"g{number // 7}", spans=(span,), codec="{}", targets=(float(number),), args=((number,),)
            )
            writer.add(extent, split="valid" if number >= len(spans) - num_valid else "train")
        info = writer.finish(
            task="raw",
            task_options={},
            source=source or SourceSpec(uri=str(folder)),
            seed=seed,
            shape=(1,),
            classes=(),
            skipped=(),
            created_at="2026-01-01T00:00:00Z",
            created_by="test",
        )
    plan = Plan(
        manifest_fingerprint=info.fingerprint, seed=seed, num_lanes=64, shuffle="full" if shuffle else "none", mix=1
    )
    return RawDataset(folder=folder, manifest=manifest, info=info, plan=plan, digests=digests)
