"""Clips of longer files by time: a CSV table says where each begins and ends, and of which class it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from penstock.errors import ConfigError, DataError, ObjectNotFound
from penstock.formats.media import Audio, Video
from penstock.formats.tables import Row, open_table
from penstock.manifest import Extent, LeftOutObjects, SkippedObject
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.clips.settings import RATE, ClipDecode
from penstock.tasks.indexing import indexed, some_samples
from penstock.tasks.protocols import Limits

__all__ = ["CutClip", "cut_extents", "read_table"]

_NEEDED: Final = ("file", "start", "end", "label")
_OPTIONAL: Final = ("audio", "group")
_SECOND: Final = 1e9
"""In nanoseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CutClip:
    """A row of the table: a part of a file, in seconds, and its class.

    Attributes:
        audio: key of the file that its sound lies in; empty where it is that of the pictures.
    """

    file: str
    start: float
    end: float
    label: str
    audio: str
    group: str


async def read_table(source: ObjectSource, key: str) -> list[CutClip]:
    """Read a table, which is an object of the source.

    Raises:
        ObjectNotFound: it is not there.
        ConfigError: it lacks a column.
        DataError: a row says nothing that could be meant, or comes twice.
    """
    info = await source.find(key)
    if info is None:
        raise ObjectNotFound(
            f"there is no {key} in {source.spec.uri}, where --option table= has the clips",
            fix="write its key below the source",
            about=key,
        )
    have, rows = open_table(await source.get(info), name=key, delimiter="\t" if key.endswith(".tsv") else ",")
    if missing := [name for name in _NEEDED if name not in have]:
        raise ConfigError(
            f"{key} has no column {missing[0]!r} (it has {', '.join(have)[:200]})",
            fix="give it the columns file, start, end and label, and audio and group where there are some",
            about=key,
        )
    found = [_clip(row, have) for row in rows]
    if not found:
        raise DataError(f"{key} has no rows below its header", fix="write a row for each clip", about=key)
    seen = set()
    for clip in found:
        if (place := (clip.file, clip.start, clip.end)) in seen:
            raise DataError(
                f"{key}: {clip.file} from {clip.start:g} to {clip.end:g} s comes twice", fix="leave one", about=key
            )
        seen.add(place)
    return found


def _clip(row: Row, have: Sequence[str]) -> CutClip:
    start, end = _seconds(row, "start"), _seconds(row, "end")
    if not 0 <= start < end:
        raise row.error(f"{start:g} to {end:g} s is no part of a file", fix="write seconds, the end behind the start")
    if not row["file"] or not row["label"]:
        raise row.error(
            f"the column {'label' if row['file'] else 'file'} is empty", fix="write it there, or leave the row out"
        )
    more = {name: row[name] if name in have else "" for name in _OPTIONAL}
    return CutClip(
        file=row["file"],
        start=start,
        end=end,
        label=row["label"],
        audio=more["audio"],
        group=more["group"] or row["file"],
    )


def _seconds(row: Row, column: str) -> float:
    """Return a time to the nanosecond, as extents have it."""
    value = row.number(column)
    if value is None:
        raise row.error(f"the column {column} is empty", fix="write a number of seconds")
    return round(value * _SECOND) / _SECOND


async def cut_extents(
    clips: Sequence[CutClip],
    source: ObjectSource,
    limits: Limits,
    decode: ClipDecode,
    skipped: list[SkippedObject],
    numbers: Mapping[str, float],
) -> AsyncIterator[Extent]:
    """Return the extents of clips by their files' indexes, in the order of the files and of the time.

    Args:
        skipped: what is left out is added to.
        numbers: of the classes.

    Raises:
        DataError: a file is not there, or is none that clips can be cut of.
    """
    own = [clip for clip in clips if not clip.audio]
    apart = [clip for clip in clips if clip.audio]
    size = [decode.size, decode.size]
    if own:
        sound = Video(
            clips=_cuts(own, "file"), frames=decode.frames, size=size, fit=decode.fit, audio=True, rate=RATE, channels=1
        )
        found = await _indexed(sound, own, "file", source, limits, skipped)
        for clip in own:
            if (extent := found.get((clip.file, clip.start, clip.end))) is not None:
                yield _made(clip, extent, None, decode, numbers)
    if apart:
        pictures = Video(clips=_cuts(apart, "file"), frames=decode.frames, size=size, fit=decode.fit)
        shown = await _indexed(pictures, apart, "file", source, limits, skipped)
        heard = await _indexed(
            Audio(clips=_cuts(apart, "audio"), rate=RATE, channels=1), apart, "audio", source, limits, skipped
        )
        for clip in apart:
            seen = shown.get((clip.file, clip.start, clip.end))
            sounding = heard.get((clip.audio, clip.start, clip.end))
            if seen is not None and sounding is not None:
                yield _made(clip, seen, sounding, decode, numbers)


def _cuts(clips: Sequence[CutClip], side: str) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for clip in clips:
        found.setdefault(getattr(clip, side), []).append((clip.start, clip.end))
    return {key: sorted(set(pairs)) for key, pairs in found.items()}


async def _indexed(
    kind: Video | Audio,
    clips: Sequence[CutClip],
    side: str,
    source: ObjectSource,
    limits: Limits,
    skipped: list[SkippedObject],
) -> dict[tuple[str, float, float], Extent]:
    """Return the extent of each clip of some files, by the file and the time."""
    cuts = _cuts(clips, side)
    left_out = LeftOutObjects()

    async def objects() -> AsyncIterator[ObjectInfo]:
        for key in sorted(cuts):
            info = await source.find(key)
            if info is None or info.is_empty:
                what = f"there is no {key} in {source.spec.uri}, of which the table has clips"
                if not limits.skip_bad:
                    raise ObjectNotFound(
                        what, fix="correct the table, or leave it out: --on-bad-object skip", about=key
                    )
                left_out.add(key, "in the table, and not there")
                continue
            yield info

    found: dict[tuple[str, float, float], Extent] = {}
    async for extent in indexed(objects(), kind, source, limits, skipped):
        file = extent.group
        for number, (start, end) in enumerate(
            cuts[file][: extent.num_samples] if extent.num_samples > 1 else [_times(extent)]
        ):
            found[file, start, end] = some_samples(extent, [number])
    skipped += left_out.told()
    return found


def _times(extent: Extent) -> tuple[float, float]:
    return extent.args[0][0] / _SECOND, extent.args[0][1] / _SECOND


def _made(
    clip: CutClip, seen: Extent, heard: Extent | None, decode: ClipDecode, numbers: Mapping[str, float]
) -> Extent:
    """Return the extent of a clip: the bytes of its pictures, then those of its sound."""
    codec = msgspec.structs.replace(
        decode, video=seen.codec, audio="" if heard is None else heard.codec, has_own_sound=heard is None
    )
    video_bytes = sum(span.length_bytes for span in seen.spans)
    args = (video_bytes, len(seen.args[0]), *seen.args[0], *(() if heard is None else heard.args[0]))
    return Extent(
        key=f"{clip.file}/{clip.start:.3f}-{clip.end:.3f}",
        group=clip.group,
        spans=(*seen.spans, *(() if heard is None else heard.spans)),
        codec=codec.encode(),
        targets=(numbers[clip.label],),
        args=(args,),
        decoded_bytes=seen.decoded_bytes + (0 if heard is None else heard.decoded_bytes),
    )
