"""Whole objects as samples, for training loops of one's own: each object is one sample, its bytes are what it is.

Nothing is read but the listing, page by page and in bounded memory, so any number of objects can be listed. An
object's group is the first folder of its key below the source, or its key where it lies in none; it has no target:
what its bytes mean is for the caller's own decoder.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, EmptyListing
from penstock.observe import open_progress
from penstock.records import Sample, SkippedObject, Span
from penstock.sources import ObjectSource, SortedListing
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
        pattern = str(options["match"])
        listing = await _list(source, pattern, limits)
        groups = _Groups(listing, limits.max_files)
        if next(iter(groups), None) is None:
            raise EmptyListing(
                f"the {len(listing)} object(s) under {source.spec.uri} that fit {pattern!r} are empty",
                fix="check what was uploaded there",
                about=source.spec.uri,
            )
        skipped: list[SkippedObject] = []
        rows = _samples(listing, limits.max_files, skipped)
        return SampleSet(groups=groups, rows=rows, shape=(), skipped=skipped)

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


async def _list(source: ObjectSource, pattern: str, limits: Limits) -> SortedListing:
    """List what fits the pattern, folder markers included."""
    fits = re.compile(translate(pattern)).match
    listing, num_found, example = SortedListing(limits.scratch), 0, ""
    with open_progress().stage("find", None, "objects") as stage:
        async for page in source.list_objects():
            listing.add([info for info in page if fits(info.key)])
            num_found += len(page)
            example = example or next((info.key for info in page), "")
            stage.advance(len(page))
    if not num_found:
        raise await source.nothing_found()
    if not len(listing):
        raise EmptyListing(
            f"none of the {num_found} objects under {source.spec.uri} fits {pattern!r}, {example} for one",
            fix="choose another pattern with --option match=...",
            about=source.spec.uri,
        )
    return listing


@dataclass(frozen=True, slots=True)
class _Groups:
    """Groups of the objects that are not empty, one after the other as their objects come."""

    listing: SortedListing
    at_most: int | None

    def __iter__(self) -> Iterator[str]:
        full = islice((info for info in self.listing if info.size_bytes), self.at_most)
        return (group for group, _ in groupby(_group(info.key) for info in full))


async def _samples(listing: SortedListing, at_most: int | None, skipped: list[SkippedObject]) -> AsyncIterator[Sample]:
    """Make samples of the objects that are not empty, and count those that are; folder markers are none."""
    num_full = num_empty = 0
    open_markers: list[str] = []
    for info in listing:
        # Keys that a key may be in the folder of are those that it begins with: few, and the last ones.
        while open_markers and not info.key.startswith(open_markers[-1]):
            open_markers.pop()
        inside = [marker for marker in open_markers if info.key.startswith(f"{marker}/")]
        num_empty -= len(inside)
        for marker in inside:
            open_markers.remove(marker)
        if not info.size_bytes:
            num_empty += 1
            open_markers.append(info.key)
            continue
        if num_full == at_most:
            break
        num_full += 1
        span = Span(
            object=info.key, etag=info.etag, object_bytes=info.size_bytes, offset=0, length_bytes=info.size_bytes
        )
        yield Sample(key=info.key, group=_group(info.key), spans=(span,), target=None, decode="", args=())
    listing.close()
    if num_empty:
        skipped.append(SkippedObject(object=f"{num_empty} objects", reason="empty"))


def _group(key: str) -> str:
    folder, slash, _ = key.partition("/")
    return folder if slash else key
