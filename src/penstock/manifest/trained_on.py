"""What weights were trained on, told in their checkpoint: so that nobody scores them on it unawares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from penstock.manifest.reader import ManifestReader
from penstock.records.codec import Part

__all__ = ["TrainedOn", "groups_of_split", "seen_groups", "trained_on"]

MAX_GROUPS = 100_000
"""Most groups that are told, 8 bytes each."""
CHUNK_ROWS = 65_536


class TrainedOn(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A training split.

    Attributes:
        manifest_fingerprint: of the whole manifest.
        groups: the first 8 bytes of the SHA-256 of each group's name, ascending; None where they are too many.
        task_options: that the samples were made with, as the manifest tells them; None where the file does not tell.
    """

    manifest_fingerprint: str
    seed: int
    fractions: tuple[float, ...]
    split_by: str
    groups: tuple[int, ...] | None
    task_options: dict[str, str | int | float | bool | None] | None = None


def trained_on(manifest: Path) -> TrainedOn:
    """Describe the training split of a manifest.

    Raises:
        RecordError: it cannot be read.
    """
    with ManifestReader(manifest) as reader:
        info = reader.info
        found: set[int] = set()
        for names in groups_of_split(reader, "train"):
            found.update(map(_digest, names))
            if len(found) > MAX_GROUPS:
                break
    return TrainedOn(
        manifest_fingerprint=info.fingerprint,
        seed=info.seed,
        fractions=info.fractions,
        split_by=info.split_by,
        groups=tuple(sorted(found)) if len(found) <= MAX_GROUPS else None,
        task_options=info.task_options,
    )


def groups_of_split(reader: ManifestReader, split: str) -> Iterator[set[str]]:
    """Return the groups of a split, some rows at a time.

    Raises:
        ConfigError: the split has no samples.
    """
    part = reader.info.split(split)
    end = part.first_row + part.num_extents
    for first in range(part.first_row, end, CHUNK_ROWS):
        yield reader.take(np.arange(first, min(first + CHUNK_ROWS, end), dtype=np.int64)).all_groups()


def seen_groups(trained: TrainedOn, groups: Iterable[str]) -> list[str] | None:
    """Return those groups that were trained on, sorted; None where it is not known."""
    if trained.groups is None:
        return None
    known = frozenset(trained.groups)
    return sorted(group for group in groups if _digest(group) in known)


def _digest(group: str) -> int:
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], signed=True)
