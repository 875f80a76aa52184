"""Whole objects as samples, for training loops of one's own: each object is one sample, its bytes are what it is.

Nothing is read but the listing, page by page, so any number of objects can be listed. An object's group is the
first folder of its key below the source, or its key where it lies in none; it has no target: what its bytes mean
is for the caller's own decoder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, EmptyListing
from penstock.records import Sample, SkippedObject, Span
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, TaskOption

__all__ = ["WholeObjects"]


class WholeObjects:
    """Each object is a sample."""

    name = "objects"
    score = "none"
    higher_is_better = True
    options = (
        TaskOption(
            name="match",
            kind=str,
            default="*",
            help="take the objects whose key fits this pattern, as a shell's, like *.jpg",
            metavar="PATTERN",
        ),
    )

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each object that fits; empty objects are left out and counted.

        Raises:
            SourceError: the source could not be listed, or nothing that fits lies there.
        """
        if limits.releases or limits.mini:
            raise ConfigError("whole objects have no releases", fix="leave --release and --mini out")
        found = await source.list_all()
        pattern = str(options["match"])
        chosen = [info for info in found if fnmatchcase(info.key, pattern)][: limits.max_files]
        if not chosen:
            raise EmptyListing(
                f"none of the {len(found)} objects under {source.spec.uri} fits {pattern!r}, {found[0].key} for one",
                fix="choose another pattern with --option match=...",
                about=source.spec.uri,
            )
        full = [info for info in chosen if info.size_bytes]
        skipped = []
        if len(full) < len(chosen):
            skipped.append(SkippedObject(object=f"{len(chosen) - len(full)} objects", reason="empty"))
        groups = sorted({_group(info.key) for info in full})
        return SampleSet(groups=groups, rows=_samples(full), shape=(), skipped=skipped)

    def decode(
        self, data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
    ) -> NDArray[np.float32]:
        """Give the bytes as numbers, shape (bytes,)."""
        return np.frombuffer(data, dtype=np.uint8).astype(np.float32)

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> dict[str, float]:
        """Give none: whole objects have no targets."""
        return {}


async def _samples(found: Sequence[ObjectInfo]) -> AsyncIterator[Sample]:
    for info in found:
        span = Span(
            object=info.key, etag=info.etag, object_bytes=info.size_bytes, offset=0, length_bytes=info.size_bytes
        )
        yield Sample(key=info.key, group=_group(info.key), spans=(span,), target=None, decode="", args=())


def _group(key: str) -> str:
    folder, slash, _ = key.partition("/")
    return folder if slash else key
