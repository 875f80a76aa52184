"""The manifest: every sample of a dataset, in Parquet, one row a sample.

Rows of one split lie together, in the order in which the task made them; ``ManifestInfo`` (JSON in the
file's key-value metadata) tells where each split begins. Its fingerprint is the SHA-256 of what the samples
mean (task, options, source, shape, classes) and of every row's content in order, and names the data exactly:
a plan belongs to one fingerprint.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from penstock.errors import ConfigError
from penstock.records.codec import Part, Record
from penstock.urls import check_endpoint, check_location

__all__ = [
    "SPLITS",
    "ManifestInfo",
    "Sample",
    "SkippedObject",
    "SourceSpec",
    "Span",
    "Split",
    "no_spread",
]

SPLITS = ("train", "valid", "test")
SAME_PART = 1e-10
"""Numbers that differ by no more than this part of their size differ by rounding alone."""
SMALLEST_SPREAD = 1e-150
"""Its square is the smallest that a float64 holds well."""


def no_spread(spread: float, size: float) -> bool:
    """Say whether numbers are all the same but for rounding.

    Args:
        spread: their range or standard deviation.
        size: the largest of them, as a magnitude.
    """
    return not spread > max(SAME_PART * size, SMALLEST_SPREAD)


class Span(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of bytes of one object, with what identifies the object's version."""

    object: str
    etag: str
    object_bytes: int
    offset: int
    length_bytes: int


class Sample(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model is fed with.

    Attributes:
        key: unique, readable name.
        group: subject or patient; a group never straddles splits.
        spans: where its bytes lie, in the order in which they are joined.
        target: number to predict, or class index; None where there is none.
        decode: JSON for the task's decoder, the same for all samples of an object.
        args: integers for the task's decoder, of this sample.
    """

    key: str
    group: str
    spans: tuple[Span, ...]
    target: float | None
    decode: str
    args: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes to fetch for it."""
        return sum(span.length_bytes for span in self.spans)


class SourceSpec(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a dataset lies and how it is reached. Holds no secrets: a URL with one is a ``ConfigError``."""

    uri: str
    endpoint_url: str | None = None
    region: str | None = None
    anonymous: bool = False
    requester_pays: bool = False

    def __post_init__(self) -> None:
        check_location(self.uri, "the source")
        if self.endpoint_url is not None:
            check_endpoint(self.endpoint_url, "--endpoint-url")


class Split(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of manifest rows.

    Attributes:
        target_mean: mean of the targets, None where there are none.
        target_std: population standard deviation of the targets.
    """

    name: str
    first_row: int
    num_samples: int
    num_groups: int
    size_bytes: int
    target_mean: float | None
    target_std: float | None

    @property
    def targets_differ(self) -> bool:
        """Whether targets are known and not all the same."""
        if self.target_mean is None or self.target_std is None:
            return False
        return not no_spread(self.target_std, abs(self.target_mean))


class SkippedObject(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object (or subject) that no samples were made from, and why.

    Attributes:
        object: its key or name; a phrase with their number where it stands for objects that are not named.
        count: of objects that it stands for and does not name; None for a single one, that is named.
    """

    object: str
    reason: str
    count: int | None = None


class ManifestInfo(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a manifest says of itself.

    Attributes:
        task: name of the task that made the samples.
        task_options: the options that they were made with, as ``--flag`` name to value.
        shape: axes of one decoded sample, for EEG (channels, times).
        classes: names of the classes, empty for regression.
        num_objects: objects that samples lie in.
        object_bytes: their sizes together.
        max_sample_bytes: the largest sample's bytes.
        fractions: of train, valid and test that were asked for, empty where nothing was.
        split_by: what stays whole.
        notes: what a person should know of it before training.
    """

    kind: ClassVar[str] = "manifest"
    version: ClassVar[int] = 2

    task: str
    task_options: dict[str, str | int | float | bool | None]
    source: SourceSpec
    seed: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    splits: tuple[Split, ...]
    num_objects: int
    object_bytes: int
    max_sample_bytes: int
    skipped: tuple[SkippedObject, ...]
    fingerprint: str
    created_at: str
    created_by: str
    fractions: tuple[float, ...]
    split_by: Literal["group", "sample"]
    notes: tuple[str, ...]

    @property
    def num_samples(self) -> int:
        """Rows of all splits."""
        return sum(split.num_samples for split in self.splits)

    def split(self, name: str) -> Split:
        """Give a split by its name.

        Raises:
            ConfigError: there is no such split, or it is empty.
        """
        for split in self.splits:
            if split.name == name and split.num_samples:
                return split
        have = ", ".join(s.name for s in self.splits if s.num_samples)
        raise ConfigError(f"the manifest has no samples in split {name!r}", fix=f"choose one of: {have}")
