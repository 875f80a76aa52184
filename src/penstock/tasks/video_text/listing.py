"""Which objects are archives of videos, videos and captions, and the samples that they make."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from penstock.errors import DataError, EmptyListing
from penstock.formats.tar import Tar
from penstock.formats.tar.members import VIDEOS
from penstock.formats.whole import whole_extent
from penstock.manifest import Extent, LeftOutObjects, SkippedObject
from penstock.observe import open_progress
from penstock.patterns import is_hidden, matcher
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.indexing import indexed, some_samples
from penstock.tasks.protocols import Limits
from penstock.tasks.refusing import unreadable
from penstock.tasks.video_text.captions import Captions, packed_caption
from penstock.tasks.video_text.settings import VideoTextDecode
from penstock.texts import counted

__all__ = ["Lying", "captioned", "find_all"]

ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst")
CAPTIONS: Final = (".json", ".jsonl")
_SHOWN: Final = 3
_NO_CAPTION: Final = "has no caption"


@dataclass(kw_only=True, slots=True)
class Lying:
    """What lies in a source: archives of videos and videos, and files of captions, by their keys."""

    videos: list[ObjectInfo]
    captions: list[ObjectInfo]
    skipped: list[SkippedObject] = field(default_factory=list)


async def find_all(
    source: ObjectSource, *, limits: Limits, videos: tuple[str, ...], captions: tuple[str, ...]
) -> Lying:
    """List a source.

    Args:
        videos, captions: patterns; none take all of their kind.

    Raises:
        EmptyListing: there are no videos, or no captions.
        ObjectUnreadable: an object cannot be read, and ``limits`` does not leave it out.
    """
    found, left_out, others = Lying(videos=[], captions=[]), LeftOutObjects(), 0
    takes_video, takes_caption = _taking(videos), _taking(captions)
    with open_progress().stage("find", None, "objects") as stage:
        async for page in source.list_objects():
            stage.advance(len(page))
            for info in page:
                kind = _kind(info.key)
                wanted = {"video": takes_video, "caption": takes_caption}.get(kind)
                if wanted is None or not wanted(info.key):
                    others += not info.is_empty
                elif info.is_empty or info.trouble:
                    if info.trouble and not limits.skip_bad:
                        raise unreadable(info)
                    left_out.add(info.key, info.trouble or "empty")
                else:
                    (found.videos if kind == "video" else found.captions).append(info)
    _check_there(found, source, videos=videos, captions=captions)
    for some in (found.videos, found.captions):
        some.sort(key=lambda info: info.key)
    if limits.max_files is not None and limits.max_files < len(found.videos):
        dropped = len(found.videos) - limits.max_files
        found.videos = found.videos[: limits.max_files]
        found.skipped.append(
            SkippedObject(object=counted(dropped, "archive"), reason="beyond max-files", count=dropped)
        )
    found.skipped += [*left_out.told(), *source.left_out()]
    if others:
        reason = "neither videos nor captions that are taken"
        found.skipped.append(SkippedObject(object=counted(others, "object"), reason=reason, count=others))
    return found


def _check_there(found: Lying, source: ObjectSource, *, videos: tuple[str, ...], captions: tuple[str, ...]) -> None:
    told = (
        (found.videos, "archive of videos", "videos", videos),
        (found.captions, "JSON file of captions", "captions", captions),
    )
    for some, what, option, patterns in told:
        if not some:
            named = f" that is named like {' or '.join(patterns)}" if patterns else ""
            raise EmptyListing(
                f"no {what} lies under {source.spec.uri}{named}",
                fix="lay them out as CONFIG/CONFIG_videos_1.tar.gz and CONFIG/CONFIG_cap.json, or name them with "
                f"--option {option}=PATTERNS",
                about=source.spec.uri,
            )


def _taking(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    fits = tuple(map(matcher, patterns))
    return lambda key: not fits or any(fit(key) for fit in fits)


def _kind(key: str) -> str:
    name = key.lower()
    if is_hidden(key):
        return ""
    if name.endswith(ARCHIVES) or name.rpartition(".")[2] in VIDEOS:
        return "video"
    return "caption" if name.endswith(CAPTIONS) else ""


async def captioned(
    lying: Lying, captions: Captions, source: ObjectSource, limits: Limits, decode: VideoTextDecode, share: float
) -> AsyncIterator[Extent]:
    """Return the videos that have a caption, those that lie beside one another in an archive as one extent.

    Args:
        share: of the videos that may lack one.

    Raises:
        DataError: too many do, or an archive cannot be read.
    """
    left_out, num_videos, num_alone = LeftOutObjects(), 0, 0
    shown: list[str] = []
    async for extent in _indexed(lying, source, limits):
        names = [_place(key, extent) for key in extent.keys or (extent.key,)]
        told = [captions.of(name) for name in names]
        numbers = [number for number, caption in enumerate(told) if caption is not None]
        num_videos, num_alone = num_videos + len(names), num_alone + len(names) - len(numbers)
        for name, caption in zip(names, told, strict=True):
            if caption is None:
                left_out.add(name, _NO_CAPTION)
                shown += [name] if len(shown) < _SHOWN else []
        if numbers:
            some = some_samples(extent, numbers)
            yield msgspec.structs.replace(
                some,
                group=extent.key,
                codec=msgspec.structs.replace(decode, archive=extent.codec).encode(),
                args=tuple(
                    (len(args), *args, *packed_caption(told[number] or ""))
                    for number, args in zip(numbers, some.args, strict=True)
                ),
            )
    lying.skipped += left_out.told()
    if num_alone > share * num_videos:
        raise DataError(
            f"{num_alone} of {counted(num_videos, 'video')} have no caption, {', '.join(shown)} for some",
            fix=f"captions name {', '.join(list(captions.by_name)[:_SHOWN])} for some: take those of the same videos, "
            f"or allow more with --option uncaptioned-share= (it is {share:g})",
            about=shown[0],
        )


async def _indexed(lying: Lying, source: ObjectSource, limits: Limits) -> AsyncIterator[Extent]:
    """Return what lies in archives, then videos that are files, each in the order of their keys."""
    archives = [info for info in lying.videos if info.key.lower().endswith(ARCHIVES)]
    if archives:
        async for extent in indexed(_each(archives), Tar(), source, limits, lying.skipped):
            yield extent
    for info in lying.videos:
        if not info.key.lower().endswith(ARCHIVES):
            extent = whole_extent(info)
            yield msgspec.structs.replace(extent, args=((),))


async def _each(infos: Sequence[ObjectInfo]) -> AsyncIterator[ObjectInfo]:
    for info in infos:
        yield info


def _place(key: str, extent: Extent) -> str:
    """Return a video's name in its archive, or its key."""
    archive = next((span.object for span in extent.spans), "")
    return key.removeprefix(f"{archive}/") if archive != key else key
