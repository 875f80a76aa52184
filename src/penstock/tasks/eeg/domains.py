"""A second domain of EEG, the target, which is trained on without its labels.

Subjects of the target domain are of the train split, and their targets are not in it. Of what ``--split`` leaves open
the valid split is cut out of the source domain, whose labels may be used, and the test split out of the target domain,
which is what one wants to know of. Those that are tested on keep their targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.errors import ConfigError, DataError
from penstock.manifest import SPLITS
from penstock.plan import left_to_cut, split_rule
from penstock.tasks.eeg.bids import Recording
from penstock.tasks.protocols import Limits
from penstock.texts import counted

__all__ = ["TARGET", "Parted", "parted"]

TARGET: Final = "target"
"""What stands for the domain among the splits that options name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parted:
    """Recordings in their splits.

    Attributes:
        names: of the splits.
        splits: of recordings, by their names.
        unlabelled: names of the recordings whose targets are not told.
        notes: what a person should know of it.
    """

    names: frozenset[str]
    splits: Mapping[str, str]
    unlabelled: frozenset[str]
    notes: tuple[str, ...]


def parted(recordings: Sequence[Recording], asked: Mapping[str, str], *, limits: Limits) -> Parted:
    """Put the recordings of two domains into splits.

    Args:
        asked: split or ``TARGET`` of each recording by its name.

    Raises:
        ConfigError: samples are split, and not subjects, or too few recordings leave no target domain.
        DataError: no subject of it is left to train on.
    """
    splitting = limits.splitting
    if splitting.by_sample:
        raise ConfigError(
            "a target domain is given, and --split-by sample", fix="leave --split-by out: subjects are of one split"
        )
    given = frozenset(asked.values()) - {TARGET}
    rule = split_rule(fractions=left_to_cut(splitting.fractions, given), seed=splitting.seed)
    splits, unlabelled = {}, set()
    for recording in recordings:
        by, share = asked[recording.name], rule(recording.subject)
        is_target = by == TARGET
        if by in ("train", TARGET):
            by = share if share == ("test" if is_target else "valid") else "train"
        splits[recording.name] = by
        if is_target and by == "train":
            unlabelled.add(recording.name)
    if not unlabelled:
        raise DataError(
            "all subjects of the target domain fall into the test split", fix="take more of them, or another --seed"
        )
    first = {recording.name for recording in recordings[: limits.max_files]}
    if not unlabelled & first:
        raise ConfigError(
            f"none of the first {limits.max_files} recordings is of the target domain", fix="leave --max-files out"
        )
    left = frozenset(name for name, part in zip(SPLITS, splitting.fractions, strict=True) if part)
    note = (
        f"target domain: {counted(len(unlabelled), 'recording')} in the train split, without their targets; "
        "valid is cut out of the source domain, test out of the target domain"
    )
    return Parted(names=given | left | {"train"}, splits=splits, unlabelled=frozenset(unlabelled), notes=(note,))
