"""Which recordings of a dataset are taken, and in which split its own releases or lists of subjects put them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from penstock.errors import ConfigError, DataError
from penstock.manifest import SkippedObject
from penstock.sources import ObjectSource
from penstock.tasks.eeg.bids import HBN_BAD_SUBJECTS, Dataset, Recording, find_recordings, release_of
from penstock.tasks.eeg.domains import TARGET, parted
from penstock.tasks.eeg.participants import participants_table, subject_of
from penstock.tasks.named_files import read_named
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits, OwnSplits, TaskOption
from penstock.texts import counted

__all__ = ["CHOOSING", "Choice", "choose_recordings"]

SPLITS: Final = ("train", "valid", "test")
NAMED: Final = (*SPLITS, TARGET)
AUTHORS: Final = "hbn"
"""What stands for the subjects that the challenge's organisers exclude."""
SHOWN: Final = 4
_ENDINGS: Final = (".txt", ".csv", ".tsv")
_YES: Final = frozenset({"yes", "true", "1", "y"})


def _names(name: str, text: str, metavar: str = "NAMES") -> TaskOption:
    return TaskOption(name=name, kind=str, default=None, help=text, metavar=metavar)


CHOOSING: Final = (
    *(
        _names(
            f"{split}_releases",
            f"releases whose subjects are the {split} split, like R1,R2; no others are taken (default: --split says)",
        )
        for split in SPLITS
    ),
    *(
        _names(
            f"{split}_subjects",
            f"subjects that are the {split} split, joined by commas, or a file with one a line: a key of the source, a "
            "URI, or a path like ./subjects.txt (default: --split says)",
            "NAMES|FILE",
        )
        for split in SPLITS
    ),
    _names(
        f"{TARGET}_releases",
        "releases that are a second domain, trained on without their labels, which --adapt makes the others' features "
        "like; give train-releases too (default: none)",
    ),
    _names(
        f"{TARGET}_subjects",
        "subjects that are such a domain, joined by commas, or a file as of train-subjects (default: none)",
        "NAMES|FILE",
    ),
    TaskOption(
        name="exclude_subjects",
        kind=str,
        default=AUTHORS,
        help=f"subjects to leave out, likewise; {AUTHORS} among them are those that the challenge's organisers "
        "exclude, none are none",
        metavar="NAMES|FILE",
    ),
    TaskOption(
        name="commercial_use",
        kind=bool,
        default=False,
        help="whether to take those subjects alone whose commercial_use in participants.tsv is yes: true or false",
    ),
    TaskOption(
        name="num_channels",
        kind=int,
        default=0,
        help="take recordings of so many channels alone; 0: those of the first recording's (default)",
        metavar="N",
    ),
)
"""Options that all EEG tasks have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What was taken.

    Attributes:
        unlabelled: names of the recordings whose targets are not told.
        notes: what a person should know of it.
    """

    dataset: Dataset
    own_splits: OwnSplits | None
    unlabelled: frozenset[str] = frozenset()
    notes: tuple[str, ...] = field(default=())


async def choose_recordings(
    source: ObjectSource, *, limits: Limits, bids_tasks: Sequence[str], chosen: Options
) -> Choice:
    """List a source and give the recordings that the options take; ``limits.max_files`` is not applied.

    Raises:
        ConfigError: options contradict each other.
        DataError: a subject is of two splits, or participants.tsv does not tell what is asked for.
        EmptyListing: nothing that was asked for lies there.
        SourceError: it could not be listed, or a list of subjects could not be read.
    """
    releases = [_normal(chosen.names(f"{split}_releases")) for split in NAMED]
    lists = [await _subjects(source, chosen, f"{split}_subjects") for split in NAMED]
    if any(releases) and any(lists):
        raise ConfigError(
            "both releases and subjects say which split recordings are of",
            fix="give train-releases or train-subjects",
        )
    by_release, by_subject = _splits_of(releases), _splits_of(lists)
    left_out = await _subjects(source, chosen, "exclude_subjects")
    names = frozenset(left_out) - {subject_of(AUTHORS)}
    bad = names | (HBN_BAD_SUBJECTS if subject_of(AUTHORS) in left_out else frozenset())
    dataset = await find_recordings(
        source, limits=_limits(limits, by_release), bids_tasks=bids_tasks, bad_subjects=frozenset(bad)
    )
    if chosen.switch("commercial_use"):
        dataset = await _commercial(source, dataset)
    if by_subject:
        dataset = _listed(dataset, by_subject)
    splits = _asked_splits(source, dataset, by_release, by_subject)
    _check_first(dataset, splits, limits.max_files)
    if TARGET not in splits.values():
        names = frozenset(splits.values())
        return Choice(dataset=dataset, own_splits=_own_splits(names, splits) if splits else None)
    domains = parted(dataset.recordings, splits, limits=limits)
    return Choice(
        dataset=dataset,
        own_splits=_own_splits(domains.names, domains.splits),
        unlabelled=domains.unlabelled,
        notes=domains.notes,
    )


def _normal(names: Sequence[str]) -> list[str]:
    return [f"R{name.lstrip('Rr')}" for name in names]


def _splits_of(named: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the split of each name, of which those of each of ``NAMED`` are given."""
    found: dict[str, str] = {}
    for split, names in zip(NAMED, named, strict=True):
        for name in names:
            if found.setdefault(name, split) != split:
                raise ConfigError(f"{name} is in two splits, {found[name]} and {split}", fix="leave it in one of them")
    if found and "train" not in found.values():
        raise ConfigError(
            f"there is a {next(iter(found.values()))} split, but none to train on",
            fix="name releases or subjects to train on too",
        )
    return found


def _limits(limits: Limits, by_release: Mapping[str, str]) -> Limits:
    """Return which releases to list: those of the splits."""
    if not by_release:
        return limits
    asked = {f"R{name.strip().lstrip('Rr')}" for name in limits.releases}
    if asked and not set(by_release) <= asked:
        missing = ", ".join(sorted(set(by_release) - asked))
        raise ConfigError(f"{missing} is in a split, but not of --release", fix="leave --release out")
    return replace(limits, releases=tuple(by_release))


async def _subjects(source: ObjectSource, chosen: Options, name: str) -> list[str]:
    """Return the subjects that an option names, or a file that it names has."""
    asked = chosen.text(name)
    if asked is None or asked.lower() == "none":
        return []
    if "/" not in asked and not asked.lower().endswith(_ENDINGS):
        return [subject_of(each) for each in chosen.names(name)]
    option = name.replace("_", "-")
    text = (await read_named(source, asked, option=option)).decode(errors="replace")
    lines = [line.replace("\t", ",").partition(",")[0].strip() for line in text.splitlines()]
    found = [subject_of(line) for line in lines if line and not line.startswith("#") and line != "participant_id"]
    if not found:
        raise DataError(f"{asked} of --option {option} names no subject", fix="write one a line", about=asked)
    return found


async def _commercial(source: ObjectSource, dataset: Dataset) -> Dataset:
    """Keep the subjects that may be used commercially."""
    allowed: set[tuple[str, str]] = set()
    for root in sorted({recording.root for recording in dataset.recordings}):
        table = await participants_table(
            source,
            dataset,
            root,
            "commercial_use",
            fix="upload it, or leave --option commercial-use out",
            other="leave --option commercial-use out",
            told=", which tells of commercial_use",
        )
        allowed |= {
            (root, subject_of(row["participant_id"])) for row in table.rows if row["commercial_use"].lower() in _YES
        }
    kept = [recording for recording in dataset.recordings if (recording.root, recording.subject) in allowed]
    return _kept(dataset, kept, "not for commercial use", "leave --option commercial-use out")


def _listed(dataset: Dataset, by_subject: Mapping[str, str]) -> Dataset:
    """Keep the subjects that are in a split."""
    there = {recording.subject for recording in dataset.recordings}
    if missing := sorted(set(by_subject) - there):
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise DataError(
            f"there is no recording of {', '.join(missing[:SHOWN])}{more}, of the {by_subject[missing[0]]} split",
            fix="correct the list, or take other releases",
        )
    kept = [recording for recording in dataset.recordings if recording.subject in by_subject]
    return _kept(dataset, kept, "of a subject that is in no split", "name others")


def _kept(dataset: Dataset, kept: Sequence[Recording], reason: str, fix: str) -> Dataset:
    number = len(dataset.recordings) - len(kept)
    if not kept:
        raise DataError(f"all {counted(number, 'recording')} are {reason}", fix=fix)
    skipped = list(dataset.skipped)
    if number:
        skipped.append(SkippedObject(object=counted(number, "recording"), reason=reason, count=number))
    return replace(dataset, recordings=tuple(kept), skipped=skipped)


def _asked_splits(
    source: ObjectSource, dataset: Dataset, by_release: Mapping[str, str], by_subject: Mapping[str, str]
) -> dict[str, str]:
    """Return the split that each recording is of, by its name; empty where nothing says so."""
    if not by_release and not by_subject:
        return {}
    splits: dict[str, str] = {}
    of_subjects: dict[str, str] = {}
    for recording in dataset.recordings:
        by = by_release.get(release_of(source, recording.root), "") if by_release else by_subject[recording.subject]
        if of_subjects.setdefault(recording.subject, by) != by:
            raise DataError(
                f"{recording.subject} is in two splits, {of_subjects[recording.subject]} and {by}, by its releases",
                fix="leave it out with --option exclude-subjects=, or put both releases into one split",
            )
        splits[recording.name] = by
    return splits


def _check_first(dataset: Dataset, splits: Mapping[str, str], max_files: int | None) -> None:
    """Refuse a number of recordings that leaves none of a split that is asked for."""
    first = {splits[recording.name] for recording in dataset.recordings[:max_files]} if splits else set()
    if missing := [split for split in NAMED if split in splits.values() and split not in first]:
        what = "target domain" if missing[0] == TARGET else f"{missing[0]} split"
        raise ConfigError(
            f"none of the first {max_files} recordings is of the {what}",
            fix=f"leave --max-files out, or take more: there are {len(dataset.recordings)}",
        )


def _own_splits(names: frozenset[str], splits: Mapping[str, str]) -> OwnSplits:
    def split_of(key: str) -> str:
        return splits[key] if key in splits else splits[key.rpartition("/")[0]]

    return OwnSplits(names=names, split_of=split_of)
