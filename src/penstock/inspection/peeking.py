"""Looking into one object: its columns and first samples, by as few bytes as they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from penstock.errors import PenstockError, SourceUnavailable
from penstock.formats.protocols import Format, Store
from penstock.formats.recordings import RECORDING_ENDINGS, ending_of
from penstock.formats.registry import format_options, open_format
from penstock.inspection.budget import Budgeted, BudgetSpent
from penstock.inspection.found import Picture
from penstock.inspection.heads import HEAD_SIZES, read_head
from penstock.inspection.naming import kind_of_head
from penstock.inspection.peeked import Peeked
from penstock.inspection.pictures import PICTURE_KINDS, array_pngs, small_png, told_of
from penstock.inspection.recordings import RECORDING_KINDS, peek_recording
from penstock.inspection.tables import peek_parquet
from penstock.inspection.values import columns_of
from penstock.manifest import Extent
from penstock.sources import ObjectInfo, object_of
from penstock.texts import printable
from penstock.units import KIB, MIB, format_bytes

__all__ = ["PICTURE_BYTES", "peek"]

MOST_SAMPLE_BYTES = 8 * MIB
"""Of what is fetched for the first samples of an object."""
PICTURE_BYTES = 4 * MIB
"""Of the largest picture that is read whole."""
_BY_HEAD = ("csv", "jsonl", "tar", "text")
"""Formats whose objects' beginnings are objects of the same format."""
_MOST_COUNTED = 200_000
_MOST_PICTURES = 4
_SHOWN_ARRAYS = ("frames", "pixels")
"""Parts of samples of video and DICOM, which are pictures."""


async def peek(
    source: Budgeted, info: ObjectInfo, *, format_name: str, kind: str, num_samples: int, with_pictures: bool
) -> Peeked:
    """Look into an object; what keeps it from being looked into is told in ``note``.

    Args:
        format_name: that reads it.
        kind: by its first bytes.
        num_samples: first samples that are shown.
        with_pictures: make small pictures of those that are found.
    """
    try:
        if ending_of(info.key) in RECORDING_ENDINGS and kind in RECORDING_KINDS:
            return await peek_recording(source, info)
        if format_name == "parquet":
            return await peek_parquet(source, info, num_samples=num_samples, most_bytes=MOST_SAMPLE_BYTES)
        if format_name in _BY_HEAD:
            return await _peek_head(source, info, format_name, num_samples, with_pictures=with_pictures)
        if format_name != "objects":
            made = _opened(format_name)
            return await _peek_extents(source, source, info, made, 1.0, num_samples, with_pictures=with_pictures)
    except BudgetSpent:
        return Peeked(note="not looked into: the budget of requests and bytes is spent")
    except SourceUnavailable:
        raise
    except PenstockError as error:
        return Peeked(note=printable(" ".join(error.what.split())))
    return Peeked(num_samples=1)


def _opened(name: str) -> Format:
    """Return a format that makes small extents where it can."""
    small = _SMALL.get(name) or ({"block": 64 * KIB} if "block" in format_options(name) else {})
    return open_format(name, small)


_SMALL: Final[Mapping[str, Mapping[str, Any]]] = {
    "video": {"frames": 3, "size": 160, "memory": 256 * MIB},
    "audio": {"rate": 8000, "channels": 1, "memory": 256 * MIB},
    "dicom": {"tags": ["Modality", "StudyDate"], "memory": 256 * MIB},
}
"""Options of formats whose values may be large."""


async def _peek_head(source: Budgeted, info: ObjectInfo, name: str, num_samples: int, *, with_pictures: bool) -> Peeked:
    for num_bytes in HEAD_SIZES:
        head = await read_head(source, info, num_bytes, format_name=name)
        if head is None:
            continue
        try:
            return await _peek_extents(
                source, head.source, head.info, _opened(name), head.share, num_samples, with_pictures=with_pictures
            )
        except PenstockError:
            if head.is_whole or num_bytes == HEAD_SIZES[-1]:
                raise
    return Peeked(note=f"no sample ends in the first {format_bytes(HEAD_SIZES[-1])}")


async def _peek_extents(
    budgeted: Budgeted,
    source: Store,
    info: ObjectInfo,
    made: Format,
    share: float,
    num_samples: int,
    *,
    with_pictures: bool,
) -> Peeked:
    """Count an object's samples as far as the budget goes, and show the first ones."""
    first: list[Extent] = []
    count = largest = 0
    is_counted = True
    try:
        async for found in made.index(source, info):
            if not isinstance(found, Extent):
                continue
            if sum(extent.num_samples for extent in first) < num_samples:
                first.append(found)
            count += found.num_samples
            largest = max(largest, found.size_bytes)
            if count >= _MOST_COUNTED:
                is_counted = False
                break
    except BudgetSpent:
        is_counted = False
    samples, note = await _first_samples(source, made, first, num_samples)
    if not samples and not note:
        note = "no sample was found in it" if is_counted else "the budget of requests and bytes is spent"
    return Peeked(
        columns=columns_of(samples),
        num_samples=count if is_counted else None,
        share=share,
        group_bytes=largest,
        pictures=_pictures(samples) if with_pictures else (),
        note=note,
    )


async def _first_samples(source: Store, made: Format, extents: list[Extent], num_samples: int) -> tuple[list[Any], str]:
    samples: list[Any] = []
    left = MOST_SAMPLE_BYTES
    for extent in extents:
        if extent.size_bytes > left:
            note = "" if samples else f"its first sample is in {format_bytes(extent.size_bytes)}, which are not read"
            return samples, note
        left -= extent.size_bytes
        try:
            parts = [
                bytes(await source.get_range(object_of(span), span.offset, span.length_bytes)) for span in extent.spans
            ]
        except BudgetSpent:
            return samples, "" if samples else "its samples are not read: the budget is spent"
        wanted = np.arange(min(extent.num_samples, num_samples - len(samples)))
        rows = made.decode(b"".join(parts), extent, extent.codec, wanted)
        samples += [rows[at] for at in range(len(rows))]
    return samples, ""


def _pictures(samples: list[Any]) -> tuple[Picture, ...]:
    """Return the pictures among the parts of samples, made small."""
    found = []
    for number, sample in enumerate(samples):
        for name, value in sample.items() if isinstance(sample, dict) else ():
            if name in _SHOWN_ARRAYS and isinstance(value, np.ndarray):
                for at, (told, png) in enumerate(array_pngs(value, most=_MOST_PICTURES)):
                    found.append(Picture(name=printable(f"{number}: {name} {at}"), told=told, png=png))
            data = value.get("bytes") if isinstance(value, dict) else value  # as the Hub has pictures in tables
            if isinstance(data, bytes) and kind_of_head(data[:64]) in PICTURE_KINDS and (png := small_png(data)):
                found.append(Picture(name=printable(f"{number}: {name}"), told=told_of(data), png=png))
    return tuple(found[:_MOST_PICTURES])
