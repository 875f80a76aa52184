"""Whether a network was trained on what it is scored on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penstock.errors import CheckpointMismatch
from penstock.manifest import ManifestReader
from penstock.manifest.listed import Listed
from penstock.manifest.trained_on import TrainedOn, groups_of_split, seen_groups

__all__ = ["Familiarity", "check_familiarity"]

NAMES_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Familiarity:
    """How much of a split a network was trained on.

    Attributes:
        trained_fingerprint: of the manifest that it was trained on.
        seen_groups: groups of the split that it was trained on; None where that is not known.
        notes: what a person should know of it.
    """

    trained_fingerprint: str
    seen_groups: int | None
    notes: tuple[str, ...] = ()


def check_familiarity(
    trained: TrainedOn | None,
    *,
    begun_with: str,
    checkpoint: str,
    listed: Listed,
    split: str,
    other_data: bool,
) -> Familiarity:
    """Find out whether a split is one that a network may be scored on.

    Args:
        trained: what its checkpoint tells of its training.
        begun_with: fingerprint of the manifest that its training began with, for one that tells nothing.
        checkpoint: where it lies, for messages.
        listed: the manifest.
        other_data: whether its manifest may be another than the one trained on.

    Raises:
        CheckpointMismatch: it is another one, and may not be.
    """
    info = listed.info
    own = trained.manifest_fingerprint if trained is not None else begun_with
    if own == info.fingerprint:
        num_groups = info.split(split).num_groups
        if split == "train":
            return Familiarity(
                trained_fingerprint=own, seen_groups=num_groups, notes=("scored on the samples that it was trained on",)
            )
        # Samples that are split one by one share their groups with those trained on.
        return Familiarity(trained_fingerprint=own, seen_groups=0 if info.split_by == "group" else None)
    names = _names(listed.manifest, split)
    seen = None if trained is None else seen_groups(trained, names)
    told = _told(seen, len(names))
    if not other_data:
        differing = (
            "" if trained is None or trained.seed == info.seed else f", its seed {trained.seed}, not {info.seed}"
        )
        raise CheckpointMismatch(
            f"the checkpoint {checkpoint} was trained on the manifest {own[:12]}{differing}; "
            f"this one is {info.fingerprint[:12]}: {told}",
            fix="pass the manifest that it was trained on, or --other-data to score it on another one",
            about=checkpoint,
        )
    note = f"scored on other data (manifest {info.fingerprint[:12]}) than it was trained on ({own[:12]}): {told}"
    return Familiarity(trained_fingerprint=own, seen_groups=None if seen is None else len(seen), notes=(note,))


def _names(manifest: Path, split: str) -> set[str]:
    with ManifestReader(manifest) as reader:
        return set[str]().union(*groups_of_split(reader, split))


def _told(seen: list[str] | None, num_groups: int) -> str:
    if seen is None:
        return f"how many of the {num_groups} groups of the split it was trained on is not known"
    if not seen:
        return f"none of the {num_groups} groups of the split was trained on"
    more = ", …" if len(seen) > NAMES_SHOWN else ""
    return (
        f"{len(seen)} of the {num_groups} groups of the split were trained on ({', '.join(seen[:NAMES_SHOWN])}{more})"
    )
