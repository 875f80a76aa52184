"""What is streamed: the server, the manifest of its objects, and the stream that trainers ask for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.server import Served, object_bytes, object_etag
from penstock.manifest import Extent, ManifestWriter, SourceSpec, Span
from penstock.plan import make_order
from penstock.records import Plan, StreamSpec

__all__ = ["Dataset", "make_dataset", "serve"]

NUM_LANES = 64
LEFT_OUT_BYTES = 64
"""Of every other object's end, so that some are asked for in full and some by a range."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A manifest, the stream of it, and the SHA-256 of each sample by its key."""

    manifest: Path
    spec: StreamSpec
    digests: dict[str, str]


@contextlib.contextmanager
def serve(served: Served, counts: dict[str, int]) -> Iterator[str]:
    """Serve objects from a process of their own; give the URL, and fill in counts of the answers at the end."""
    with subprocess.Popen(served.words(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()
            line = process.stdout.readline()
            counts |= json.loads(line) if line else {}


def make_dataset(
    folder: Path,
    url: str,
    served: Served,
    *,
    epochs: int,
    num_ranks: int = 1,
    batch_extents: int = 1,
    shuffle: bool = True,
    part_bytes: int | None = None,
    anonymous: bool = True,
) -> Dataset:
    """Write the manifest of what the server has, a sample an object or nearly all of it.

    Args:
        part_bytes: a sample is this much of an object's beginning and of its end, two ranges; None for one range.
    """
    manifest, digests = folder / "manifest.parquet", {}
    with ManifestWriter(manifest) as writer:
        for number in range(served.num_objects):
            spans = _spans(number, served.object_bytes, part_bytes)
            data = object_bytes(number, served.object_bytes)
            wanted = b"".join(data[span.offset : span.offset + span.length_bytes] for span in spans)
            digests[f"{number:06}"] = hashlib.sha256(wanted).hexdigest()
            sample = Extent(key=f"{number:06}", group=f"{number}", spans=spans)
            writer.add(sample, split="train")
        info = writer.finish(
            task="objects",
            task_options={},
            source=SourceSpec.of("s3://chaos", endpoint_url=url, anonymous=anonymous),
            seed=served.seed,
            shape=(),
            classes=(),
            skipped=(),
            created_at="2026-01-01T00:00:00Z",
            created_by="chaos",
        )
    plan = Plan(
        manifest_fingerprint=info.fingerprint,
        seed=served.seed,
        num_lanes=NUM_LANES,
        shuffle="full" if shuffle else "none",
        mix=1,
    )
    order = make_order(info, plan, [("train", True)])
    spec = StreamSpec(
        session="",
        manifest=str(manifest),
        manifest_fingerprint=info.fingerprint,
        plan_fingerprint=plan.fingerprint,
        order=order,
        first_index=0,
        end_index=order.num_samples * epochs,
        num_ranks=num_ranks,
        batch_extents=batch_extents,
        num_files=0,
        on_bad_sample="fail",
        owner="test",
        purpose="data",
        patience_seconds=300.0,
    )
    return Dataset(manifest=manifest, spec=spec, digests=digests)


def _spans(number: int, size_bytes: int, part_bytes: int | None) -> tuple[Span, ...]:
    places = [(0, size_bytes - LEFT_OUT_BYTES * (number % 2))]
    if part_bytes is not None:
        places = [(0, part_bytes), (size_bytes - part_bytes, part_bytes)]
    return tuple(
        Span(
            object=f"{number:06}.bin",
            version=object_etag(number, size_bytes),
            object_bytes=size_bytes,
            offset=offset,
            length_bytes=length,
        )
        for offset, length in places
    )
