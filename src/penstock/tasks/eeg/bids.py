"""Recordings of a BIDS dataset, found in a listing.

A source holds one BIDS root, or several beside each other: the releases of the Healthy Brain Network in the
layout of the 2025 EEG challenge, folders ``R5_L100_bdf`` and (20 subjects each) ``R5_mini_L100_bdf``.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from penstock.errors import EmptyListing
from penstock.formats.recordings import COMPANION_ENDINGS, RECORDING_ENDINGS, ending_of
from penstock.manifest import SkippedObject
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.eeg.inheritance import Sidecars
from penstock.tasks.eeg.unread import DERIVED, RECORDING, unread_files
from penstock.tasks.protocols import Limits
from penstock.texts import counted

__all__ = ["HBN_BAD_SUBJECTS", "Dataset", "Recording", "find_recordings", "release_of"]

# Subjects that the challenge's organisers exclude.
HBN_BAD_SUBJECTS: Final = frozenset(
    {
        "sub-NDARWV769JM7",
        "sub-NDARME789TD2",
        "sub-NDARUA442ZVF",
        "sub-NDARJP304NK1",
        "sub-NDARTY128YLU",
        "sub-NDARDW550GU6",
        "sub-NDARLD243KRE",
        "sub-NDARUJ292JXV",
        "sub-NDARBA381JGH",
    }
)
NAMES_SHOWN: Final = 8

_TASK = re.compile(r"_task-([^_/]+)")
_RELEASE = re.compile(r"(?P<release>R\d+)(?P<mini>_mini)?_L100_bdf")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One recording.

    Attributes:
        info: the object that holds it.
        events: its events table, its own or an inherited one; None where there is none.
        channels: its channels table, likewise.
        root: key of the BIDS root that it lies in, empty or ending in a slash.
        subject: BIDS name, ``sub-01``.
        task: BIDS task, empty where the name states none.
        companions: objects of the source that recordings may have beside their header, by key.
        name: unique and readable, the root and ``sub-01_task-rest_run-1``; other recordings have no say in it.
    """

    info: ObjectInfo
    events: ObjectInfo | None
    channels: ObjectInfo | None
    root: str
    subject: str
    task: str
    name: str
    companions: Mapping[str, ObjectInfo] = field(default_factory=dict, compare=False, repr=False)

    @property
    def stem(self) -> str:
        """Its key without the ending."""
        return self.info.key.rpartition(".")[0]

    @property
    def events_key(self) -> str:
        """Key at which the events table should lie."""
        return f"{self.info.key.rsplit('_eeg.', 1)[0]}_events.tsv"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Recordings to make samples of, by key.

    Attributes:
        participants: the participants table of each BIDS root that has one.
        skipped: what was left out and why.
    """

    recordings: tuple[Recording, ...]
    participants: dict[str, ObjectInfo]
    skipped: list[SkippedObject] = field(default_factory=list)

    def first(self, num_recordings: int | None) -> Dataset:
        """Return the dataset cut to its first recordings; None keeps all."""
        kept = self.recordings[:num_recordings]
        skipped = list(self.skipped)
        if len(kept) < len(self.recordings):
            number = len(self.recordings) - len(kept)
            skipped.append(SkippedObject(object=f"{number} recordings", reason="more than were asked for (max-files)"))
        return Dataset(recordings=kept, participants=self.participants, skipped=skipped)


async def find_recordings(
    source: ObjectSource,
    *,
    limits: Limits,
    bids_tasks: Sequence[str],
    bad_subjects: frozenset[str] = HBN_BAD_SUBJECTS,
) -> Dataset:
    """List a source and give its recordings, known bad subjects left out; ``limits.max_files`` is not applied.

    Args:
        bids_tasks: take recordings of these tasks only; empty takes every one.

    Raises:
        EmptyListing: nothing that was asked for lies there; the message names what does.
        SourceError: it could not be listed.
    """
    objects = await _list_objects(source, limits)
    by_key = {info.key: info for info in objects}
    sidecars = Sidecars(objects)
    companions = {info.key: info for info in objects if ending_of(info.key) in COMPANION_ENDINGS}
    found = [recording for info in objects if (recording := _recording(info, sidecars, companions)) is not None]
    found, unread = _one_of_each(found)
    unread += [*unread_files(objects), *source.left_out()]
    if not found:
        others = (
            f", but {len(unread)} files are not read, like {unread[0].object}: {unread[0].reason}" if unread else ""
        )
        raise _empty(
            source,
            f"no *_eeg.bdf, .edf, .vhdr, .set or .fif lies among the {len(objects)} objects{others}",
            "check the prefix",
        )
    roots = _wanted_roots(source, sorted({recording.root for recording in found}), limits)
    wanted = [r for r in found if r.root in roots and (not bids_tasks or r.task in bids_tasks)]
    if not wanted:
        tasks = Counter(recording.task for recording in found if recording.root in roots)
        raise _empty(
            source,
            f"there is no recording of the BIDS task {', '.join(bids_tasks)}, but of {_some(sorted(tasks))}",
            f"choose another one, like --option bids-task={min(tasks)}",
        )
    return Dataset(
        recordings=_named([recording for recording in wanted if recording.subject not in bad_subjects]),
        participants={root: by_key[key] for root in roots if (key := f"{root}participants.tsv") in by_key},
        skipped=[
            *(
                SkippedObject(object=recording.info.key, reason=_why_excluded(recording.subject))
                for recording in wanted
                if recording.subject in bad_subjects
            ),
            *unread,
            *_not_wanted(found, roots, bids_tasks),
        ],
    )


def _why_excluded(subject: str) -> str:
    by = "the dataset's authors exclude" if subject in HBN_BAD_SUBJECTS else "exclude-subjects names"
    return f"{by} this subject"


def _one_of_each(found: Sequence[Recording]) -> tuple[list[Recording], list[SkippedObject]]:
    """Take one of recordings that lie there in several formats, the one with the finer numbers."""
    taken: dict[str, Recording] = {}
    twice = []
    for recording in sorted(found, key=lambda each: (each.stem, RECORDING_ENDINGS.index(ending_of(each.info.key)))):
        stem = recording.stem
        if stem in taken:
            reason = f"the same recording lies there as {taken[stem].info.key}"
            twice.append(SkippedObject(object=recording.info.key, reason=reason))
        else:
            taken[stem] = recording
    return list(taken.values()), twice


def _not_wanted(found: Sequence[Recording], roots: set[str], bids_tasks: Sequence[str]) -> Iterator[SkippedObject]:
    """Count what was not asked for."""
    for root, number in sorted(Counter(r.root for r in found if r.root not in roots).items()):
        yield SkippedObject(object=f"{number} recordings in {root}", reason="not of a release that was asked for")
    tasks = Counter(r.task for r in found if r.root in roots and bids_tasks and r.task not in bids_tasks)
    for task, number in sorted(tasks.items()):
        yield SkippedObject(
            object=f"{counted(number, 'recording')} of task {task or 'none'}",
            reason="not of the task that was asked for",
        )


async def _list_objects(source: ObjectSource, limits: Limits) -> list[ObjectInfo]:
    """List the asked releases alone where they lie there, which spares listing the others; else list all."""
    if limits.releases:
        folders = [_folder(release, mini=limits.mini) for release in limits.releases]
        listed = await asyncio.gather(*(_list_folder(source, folder) for folder in folders))
        if all(listed):
            return sorted((info for infos in listed for info in infos), key=lambda info: info.key)
    return await source.list_all()


async def _list_folder(source: ObjectSource, folder: str) -> list[ObjectInfo]:
    return [info async for page in source.list_objects(f"{folder}/") for info in page]


def _recording(info: ObjectInfo, sidecars: Sidecars, companions: Mapping[str, ObjectInfo]) -> Recording | None:
    *folders, name = info.key.split("/")
    match = RECORDING.fullmatch(name)
    if match is None or not DERIVED.isdisjoint(folders):
        return None
    depth = folders.index(match["subject"]) if match["subject"] in folders else len(folders)
    task = _TASK.search(match["stem"])
    root = "".join(f"{folder}/" for folder in folders[:depth])
    return Recording(
        info=info,
        events=sidecars.of(info.key, root=root, stem=match["stem"], kind="events"),
        channels=sidecars.of(info.key, root=root, stem=match["stem"], kind="channels"),
        root=root,
        subject=match["subject"],
        task=task[1] if task else "",
        name=f"{root}{match['stem']}",
        companions=companions,
    )


def _named(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Put the whole path before names that occur more than once in their root."""
    counts = Counter(recording.name for recording in recordings)
    return tuple(
        recording if counts[recording.name] == 1 else replace(recording, name=recording.info.key.rsplit("_eeg.", 1)[0])
        for recording in recordings
    )


def _wanted_roots(source: ObjectSource, roots: Sequence[str], limits: Limits) -> set[str]:
    """Choose BIDS roots by the release that their folder's name states; a full release hides its mini one."""
    if roots == [""] and not limits.releases and not limits.mini:
        return {""}
    releases = {root: _release(source, root) for root in roots}
    wanted = {_folder(release, mini=limits.mini) for release in limits.releases}
    if wanted:
        missing = sorted(wanted - {f"{release}{'_mini' * mini}_L100_bdf" for release, mini in releases.values()})
        if missing:
            raise _empty(source, f"{', '.join(missing)} is not there, but {_some(_shown(source, roots))}", _CHOOSE)
        return {root for root, (release, mini) in releases.items() if _folder(release, mini=mini) in wanted}
    chosen = {root for root, (_, mini) in releases.items() if mini == limits.mini}
    if not chosen:
        kind = "small (mini)" if limits.mini else "full"
        raise _empty(source, f"no {kind} release is there, but {_some(_shown(source, roots))}", _CHOOSE)
    return chosen


_CHOOSE: Final = "choose with --release and --mini what lies there"


def release_of(source: ObjectSource, root: str) -> str:
    """Return the release that a BIDS root holds, like ``R5``; empty where its folder's name states none."""
    return _release(source, root)[0]


def _release(source: ObjectSource, root: str) -> tuple[str, bool]:
    """Return the release that a root holds (empty where its name states none), and whether it is a small one."""
    where = f"{source.spec.uri.rstrip('/')}/{root}".rstrip("/")
    match = _RELEASE.fullmatch(where.rsplit("/", 1)[-1])
    return (match["release"], bool(match["mini"])) if match else ("", False)


def _folder(release: str, *, mini: bool) -> str:
    number = release.strip().lstrip("Rr")
    return f"R{number}{'_mini' if mini else ''}_L100_bdf"


def _shown(source: ObjectSource, roots: Iterable[str]) -> list[str]:
    return [root.rstrip("/") or source.spec.uri.rstrip("/").rsplit("/", 1)[-1] for root in roots]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _empty(source: ObjectSource, what: str, fix: str) -> EmptyListing:
    return EmptyListing(f"under {source.spec.uri} {what}", fix=fix, about=source.spec.uri)
