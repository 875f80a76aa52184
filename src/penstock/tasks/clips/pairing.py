"""Which pictures and which sound are a clip: by folders, ``<class>/video/NAME.*`` and ``<class>/audio/NAME.*``."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from penstock.errors import DataError, EmptyListing
from penstock.manifest import LeftOutObjects, SkippedObject
from penstock.observe import open_progress
from penstock.patterns import is_hidden
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.protocols import Limits
from penstock.tasks.ranking import rank_of
from penstock.tasks.refusing import unreadable
from penstock.texts import counted

__all__ = ["Pair", "Pairs", "check_classes", "find_pairs"]

SHOWN: Final = 3
_SIDES: Final = ("video", "audio")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A clip: an object with its pictures and one with its sound."""

    key: str
    label: str
    group: str
    video: ObjectInfo
    audio: ObjectInfo


@dataclass(kw_only=True, slots=True)
class Pairs:
    """Clips, in the order of their keys, and what was left out."""

    found: list[Pair]
    skipped: list[SkippedObject] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Folders:
    """Names of the folders of pictures and of sound, and what tells groups in names."""

    video: str
    audio: str
    separator: str | None

    def place(self, key: str) -> tuple[str, str] | None:
        """Return which half of which clip a key names; None where it names none."""
        *folders, name = key.split("/")
        side = {self.video: "video", self.audio: "audio"}.get(folders[-1]) if len(folders) >= 2 else None
        stem = name.rpartition(".")[0]
        return (side, "/".join([*folders[:-1], stem])) if side and stem else None

    def group(self, clip: str) -> str:
        """Return what stays whole of a clip."""
        folder, _, stem = clip.rpartition("/")
        head = stem.rpartition(self.separator)[0] if self.separator else ""
        return f"{folder}/{head or stem}"


async def find_pairs(source: ObjectSource, folders: Folders, *, limits: Limits, most_unpaired: float) -> Pairs:
    """List a source, and take the clips of which pictures and sound are there.

    Args:
        most_unpaired: share of the clips that may lack a half.

    Raises:
        EmptyListing: there is none.
        DataError: too many lack a half, two objects are the same half, or there are not two classes.
        ObjectUnreadable: one cannot be read, and ``limits`` does not leave it out.
    """
    halves: tuple[dict[str, ObjectInfo], dict[str, ObjectInfo]] = ({}, {})
    left_out, num_objects, num_others = LeftOutObjects(), 0, 0
    others: list[str] = []
    with open_progress().stage("find", None, "objects") as stage:
        async for page in source.list_objects():
            stage.advance(len(page))
            for info in page:
                num_objects += 1
                if (place := None if is_hidden(info.key) else folders.place(info.key)) is None:
                    num_others += not info.is_empty
                    others += [info.key] if len(others) < SHOWN and not info.is_empty else []
                elif _is_usable(info, limits, left_out):
                    _put(halves[_SIDES.index(place[0])], place[1], info)
    if not num_objects:
        raise await source.nothing_found()
    _check_there(halves, folders, source, others)
    made = _paired(halves, folders, left_out, most_unpaired)
    skipped = [*left_out.told(), *source.left_out()]
    if num_others:
        reason = f"in no folder {folders.video} or {folders.audio} of a class, {', '.join(others)} for some"
        skipped.append(SkippedObject(object=counted(num_others, "object"), reason=reason, count=num_others))
    if limits.max_files is not None and limits.max_files < len(made):
        dropped = len(made) - limits.max_files
        taken = heapq.nsmallest(limits.max_files, made, key=lambda pair: rank_of(pair.key))
        made = sorted(taken, key=lambda pair: pair.key)
        skipped.append(SkippedObject(object=counted(dropped, "clip"), reason="beyond max-files", count=dropped))
    check_classes(Counter(pair.label for pair in made), source)
    return Pairs(found=made, skipped=skipped)


def check_classes(counts: Counter[str], source: ObjectSource) -> None:
    """Refuse what gives nothing to tell apart.

    Raises:
        DataError: it does.
    """
    if len(counts) < 2:
        only = f"all {counted(counts.total(), 'clip')} of {source.spec.uri} are of the class {next(iter(counts), '')!r}"
        raise DataError(
            only if counts else f"no clip of {source.spec.uri} can be used",
            fix="two classes are needed: give the prefix that their folders lie in",
            about=source.spec.uri,
        )


def _is_usable(info: ObjectInfo, limits: Limits, left_out: LeftOutObjects) -> bool:
    if not info.is_empty and not info.trouble:
        return True
    if info.trouble and not limits.skip_bad:
        raise unreadable(info)
    left_out.add(info.key, info.trouble or "empty")
    return False


def _put(half: dict[str, ObjectInfo], clip: str, info: ObjectInfo) -> None:
    if clip in half:
        raise DataError(
            f"{half[clip].key} and {info.key} are the same half of the clip {clip}",
            fix="give each clip a name of its own",
            about=info.key,
        )
    half[clip] = info


def _check_there(
    halves: tuple[dict[str, ObjectInfo], dict[str, ObjectInfo]],
    folders: Folders,
    source: ObjectSource,
    others: list[str],
) -> None:
    if not halves[0] or not halves[1]:
        lacking = folders.video if not halves[0] else folders.audio
        shown = f", {', '.join(sorted(others))} for some" if others else ""
        raise EmptyListing(
            f"nothing under {source.spec.uri} lies in a folder {lacking} of a class{shown}",
            fix="lay clips out as ads/video/1.mp4 with ads/audio/1.wav and games/video/2.mp4 with games/audio/2.wav, "
            "or name the folders with --option video-folder= and audio-folder=",
            about=source.spec.uri,
        )


def _paired(
    halves: tuple[dict[str, ObjectInfo], dict[str, ObjectInfo]],
    folders: Folders,
    left_out: LeftOutObjects,
    most_unpaired: float,
) -> list[Pair]:
    video, audio = halves
    names = sorted(video.keys() | audio.keys())
    alone = [name for name in names if name not in video or name not in audio]
    for name in alone:
        has, lacks = ("pictures", "sound") if name in video else ("sound", "pictures")
        left_out.add(name, f"has {has} and no {lacks}")
    if len(alone) > most_unpaired * len(names):
        told = ", ".join(f"{name} (no {'sound' if name in video else 'pictures'})" for name in alone[:SHOWN])
        raise DataError(
            f"{len(alone)} of {len(names)} clips lack a half, {told} for {'one' if len(alone) == 1 else 'some'}",
            fix=f"add it, or allow more with --option unpaired-share= (it is {most_unpaired:g})",
            about=alone[0],
        )
    return list(_pairs(names, video, audio, folders))


def _pairs(
    names: list[str], video: dict[str, ObjectInfo], audio: dict[str, ObjectInfo], folders: Folders
) -> Iterator[Pair]:
    for name in names:
        if name in video and name in audio:
            label = name.rpartition("/")[0].rpartition("/")[2]
            yield Pair(key=name, label=label, group=folders.group(name), video=video[name], audio=audio[name])
