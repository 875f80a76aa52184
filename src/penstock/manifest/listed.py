"""Listings as their readers see them: parts in order, then everything. A whole manifest is a listing of one part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from penstock.errors import RecordError
from penstock.manifest.reader import ManifestReader
from penstock.manifest.schema import ManifestInfo
from penstock.records import Plan, read_record

__all__ = ["Listed", "Listing", "WholeListing", "read_listed", "read_pair"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A manifest with its plan.

    Attributes:
        is_whole: whether it is everything; else one part of a listing that went on behind it.
    """

    manifest: Path
    info: ManifestInfo
    plan: Plan
    is_whole: bool = True

    def num_samples(self, split: str) -> int:
        """Return the samples of a split; 0 where there is no such split."""
        return sum(part.num_samples for part in self.info.splits if part.name == split)

    def epoch_samples(self, split: str, *, is_trained: bool) -> int:
        """Return the samples that an epoch has of a split: where it repeats, each as often as it comes."""
        repeat = self.plan.repeat if is_trained else None
        return self.num_samples(split) * (1 if repeat is None else repeat.passes)


class Listing(Protocol):
    """A listing, which may go on."""

    def part(self, number: int) -> Listed | None:
        """Return a part, 0-based, as soon as it is there; None where the listing ended with fewer.

        Where the listing was waited for, part 0 is everything, and the only one.

        Raises:
            PenstockError: the listing failed before it came to that part.
        """
        ...

    def whole(self) -> Listed:
        """Return everything, when the listing has ended.

        Raises:
            PenstockError: the listing failed.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class WholeListing:
    """A listing that was waited for."""

    listed: Listed

    def part(self, number: int) -> Listed | None:
        """Return everything as the first part."""
        return self.listed if number == 0 else None

    def whole(self) -> Listed:
        """Return everything."""
        return self.listed


def read_pair(manifest: Path, plan: Path, *, is_whole: bool = True) -> Listed:
    """Read a manifest and a plan, whether they belong together or not.

    Raises:
        RecordError: one of them cannot be read.
    """
    with ManifestReader(manifest) as reader:
        return Listed(manifest=manifest, info=reader.info, plan=read_record(plan, Plan), is_whole=is_whole)


def read_listed(manifest: Path, plan: Path) -> Listed:
    """Read a whole manifest with its plan.

    Raises:
        RecordError: one of them cannot be read, or they do not belong together.
    """
    listed = read_pair(manifest, plan)
    made_for, found = listed.plan.manifest_fingerprint, listed.info.fingerprint
    if made_for != found:
        raise RecordError(
            f"the plan {plan} was made for manifest {made_for[:12]}, {manifest} is {found[:12]}",
            fix="pass the manifest and the plan of the same `penstock list`",
        )
    return listed
