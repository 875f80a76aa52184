"""The manifest: every sample of a dataset, in Parquet, one row an extent.

An extent is what is fetched, verified and stored as one, and decodes to one or many samples. Rows of one split lie
together, in the order in which the task made them; ``ManifestInfo`` (JSON in the file's key-value metadata) tells
where each split begins. Its fingerprint is the SHA-256 of what the samples mean (task, options, source, shape,
classes) and of every row's content in order, and names the data exactly: a plan belongs to one fingerprint.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar, Literal, Protocol

import msgspec

from penstock.errors import ConfigError
from penstock.records.classes import ClassSize
from penstock.records.codec import Part, Record
from penstock.texts import counted
from penstock.urls import check_endpoint, check_location, refuse_secrets

__all__ = [
    "SPLITS",
    "Described",
    "Extent",
    "ManifestInfo",
    "Sample",
    "SkippedObject",
    "SourceSpec",
    "Span",
    "Split",
    "no_spread",
    "sample_key",
    "sample_of",
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
    """A run of bytes of one object, of one version of it.

    Attributes:
        version: what names the object's content for good.
        validator: what a request must send to be refused another version, empty where nothing is known or needed;
            None where the version is that itself, as an ETag is.
    """

    object: str
    version: str
    validator: str | None = None
    object_bytes: int
    offset: int
    length_bytes: int


class Sample(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model is fed with: the n-th of an extent, as far as it is known before it is decoded.

    Attributes:
        key: unique, readable name.
        group: subject or patient.
        target: number to predict, or class index; None where there is none.
        args: integers for the decoder.
    """

    key: str
    group: str
    target: float | None
    args: tuple[int, ...]


class Extent(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is fetched, verified, kept and decoded as one, and the samples that it decodes to.

    ``keys``, ``groups``, ``targets`` and ``args`` have an item a sample, or none at all where nothing is known of each.

    Attributes:
        key: unique, readable name; without ``keys`` that of its sample, or with ``#0``, ``#1`` ... of its samples.
        group: what stays whole when splits are made, the same for all its samples; without ``groups`` it is theirs.
        spans: where its bytes lie, in the order in which they are joined.
        codec: what its object's decoder must know, the same for all extents of the object, which it is kept once for.
        decoded_bytes: about how many it takes unpacked, where that is told before it is read; manifests keep the most.
    """

    key: str
    group: str
    spans: tuple[Span, ...]
    codec: str = ""
    num_samples: int = 1
    keys: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    targets: tuple[float | None, ...] = ()
    args: tuple[tuple[int, ...], ...] = ()
    decoded_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes to fetch for it."""
        return sum(span.length_bytes for span in self.spans)


class Described(Protocol):
    """What tells of an extent's samples: the extent itself, and what goes with its bytes through a window."""

    @property
    def key(self) -> str:
        """Name of the extent."""
        ...

    @property
    def group(self) -> str:
        """What stays whole."""
        ...

    @property
    def num_samples(self) -> int:
        """Samples that it has."""
        ...

    @property
    def keys(self) -> tuple[str, ...]:
        """Of its samples."""
        ...

    @property
    def groups(self) -> tuple[str, ...]:
        """Of its samples."""
        ...

    @property
    def targets(self) -> tuple[float | None, ...]:
        """Of its samples."""
        ...

    @property
    def args(self) -> tuple[tuple[int, ...], ...]:
        """Of its samples."""
        ...


def sample_key(extent: Described, number: int) -> str:
    """Return the key of the n-th sample, 0-based, of an extent."""
    if extent.keys:
        return extent.keys[number]
    return extent.key if extent.num_samples == 1 else f"{extent.key}#{number}"


def sample_of(extent: Described, number: int) -> Sample:
    """Return the n-th sample, 0-based, of an extent."""
    return Sample(
        key=sample_key(extent, number),
        group=extent.groups[number] if extent.groups else extent.group,
        target=extent.targets[number] if extent.targets else None,
        args=extent.args[number] if extent.args else (),
    )


class SourceSpec(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a dataset lies and how it is reached. Holds no secrets: a URL with one is a ``ConfigError``.

    Attributes:
        uri: pinned to a revision, in a manifest, where the source has any.
        options: of the URI's scheme, which checks them, by name; those alone that were given.
    """

    uri: str
    options: dict[str, str | bool] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_location(self.uri, "the source")
        for name, value in self.options.items():
            if isinstance(value, str) and (name.endswith("_url") or value.lower().startswith(("http://", "https://"))):
                check_endpoint(value, f"--{name.replace('_', '-')}")
            elif isinstance(value, str) and "://" in value:
                refuse_secrets(value, f"--source-option {name}")

    @classmethod
    def of(cls, uri: str, **options: str | bool | None) -> SourceSpec:
        """Return one of what was asked for, where None, False and empty texts stand for nothing."""
        return cls(uri=uri, options={name: value for name, value in options.items() if value})

    def text(self, name: str) -> str | None:
        """Return an option that is a text, None where it is not given."""
        value = self.options.get(name)
        return value if isinstance(value, str) else None

    def flag(self, name: str) -> bool:
        """Return an option that is on or off, off where it is not given."""
        return self.options.get(name) is True


class Split(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of manifest rows, each an extent.

    Attributes:
        target_mean: mean of the targets, None where there are none.
        target_std: population standard deviation of the targets.
    """

    name: str
    first_row: int
    num_extents: int
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
        max_extent_bytes: the largest extent's bytes.
        max_description_bytes: the most that an extent's description takes with its codec, 0 where there is no extent.
        max_decoded_bytes: the most that an extent takes unpacked, as far as that is told before it is read.
        fractions: of train, valid and test that were asked for, empty where nothing was.
        split_by: what stays whole.
        notes: what a person should know of it before training.
        values: SHA-256 of what the numbers of samples mean, where that was found in the dataset itself; else empty.
        transform: function, like ``package.module:name``, that samples go through on their way into a batch.
        members: of a mix, the datasets that it is of: each split has their rows one dataset after the other.
        stored_from: source whose samples were decoded and stored where this manifest's lie; else None.
        storage_classes: what there is of each class of storage, as the source calls it, among those objects when they
            were listed, those of ``stored_from`` where it is such; empty where it told none. Objects may be moved to
            another class: it is no part of the fingerprint.
    """

    kind: ClassVar[str] = "manifest"
    version: ClassVar[int] = 4
    remake: ClassVar[str] = "list again: `penstock list` makes another"

    task: str
    task_options: dict[str, str | int | float | bool | None]
    source: SourceSpec
    seed: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    splits: tuple[Split, ...]
    num_objects: int
    object_bytes: int
    max_extent_bytes: int
    max_description_bytes: int
    skipped: tuple[SkippedObject, ...]
    fingerprint: str
    created_at: str
    created_by: str
    fractions: tuple[float, ...]
    split_by: Literal["group", "sample"]
    notes: tuple[str, ...]
    values: str
    max_decoded_bytes: int = 0
    transform: str = ""
    members: tuple[ManifestInfo, ...] = ()
    stored_from: SourceSpec | None = None
    storage_classes: dict[str, ClassSize] = msgspec.field(default_factory=dict)

    def __str__(self) -> str:
        parts = ", ".join(f"{split.name} {split.num_samples:,}" for split in self.splits if split.num_samples)
        held = f"{counted(self.num_samples, 'sample')} of {counted(self.num_objects, 'object')}"
        told = f"{held} in {self.source.uri} ({parts})"
        classes = f", {len(self.classes):,} classes" if self.classes else ""
        return f"<ManifestInfo {self.task}: {told}{classes}>"

    @property
    def num_extents(self) -> int:
        """Rows of all splits."""
        return sum(split.num_extents for split in self.splits)

    @property
    def num_samples(self) -> int:
        """Samples of all splits."""
        return sum(split.num_samples for split in self.splits)

    @property
    def holds_many(self) -> bool:
        """Whether there are extents of several samples."""
        return any(split.num_samples > split.num_extents for split in self.splits)

    @property
    def meaning(self) -> str:
        """SHA-256 of what samples and targets mean besides their shape: classes, and ``values``."""
        transform = ("\0transform", self.transform) if self.transform else ()
        return hashlib.sha256(
            "\0".join((self.values, *self.classes, *transform)).encode(errors="surrogatepass")
        ).hexdigest()

    def split(self, name: str) -> Split:
        """Return a split by its name.

        Raises:
            ConfigError: there is no such split, or it is empty.
        """
        for split in self.splits:
            if split.name == name and split.num_samples:
                return split
        have = ", ".join(s.name for s in self.splits if s.num_samples)
        raise ConfigError(f"the manifest has no samples in split {name!r}", fix=f"choose one of: {have}")
