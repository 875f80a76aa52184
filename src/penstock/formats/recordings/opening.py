"""Opening a recording of whatever kind: its header, and the objects that belong to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from penstock.errors import DataError, ObjectUnreadable
from penstock.formats.bdf import BdfHeader, header_size, parse_header
from penstock.formats.bdf.header import FIXED_BYTES
from penstock.formats.recordings.asking import from_object
from penstock.formats.recordings.brainvision import Marker, brainvision_recording, parse_brainvision, parse_markers
from penstock.formats.recordings.edfplus import annotations_of, read_lists, segments_of
from penstock.formats.recordings.eeglab import eeglab_recording, read_eeglab
from penstock.formats.recordings.fif import fif_recording
from penstock.formats.recordings.fif_tags import walk_fif
from penstock.formats.recordings.model import Recording, Segment, with_gaps
from penstock.formats.recordings.numbers import Records
from penstock.sources import GetRange, ObjectInfo
from penstock.units import GIB, MIB, format_bytes

__all__ = [
    "COMPANION_ENDINGS",
    "MEMORY_BYTES",
    "RECORDING_ENDINGS",
    "Find",
    "ending_of",
    "of_records",
    "open_recording",
]

RECORDING_ENDINGS: Final = (".bdf", ".edf", ".vhdr", ".set", ".fif")
"""Of the objects that are opened, those of the finer numbers first."""
COMPANION_ENDINGS: Final = {".eeg": ".vhdr", ".vmrk": ".vhdr", ".fdt": ".set"}
"""Of objects that belong to one that is opened."""
MEMORY_BYTES: Final = 2 * GIB
# Holds the header of 255 channels, so that one request is enough for nearly every recording.
_HEADER_READ_BYTES: Final = 64 * 1024
_MOST_TEXT: Final = 64 * MIB

Find = Callable[[str], Awaitable[ObjectInfo | None]]
"""Returns the object of a key, None where there is none."""


def ending_of(key: str) -> str:
    """Return the ending of an object's name, in small letters."""
    name = key.rpartition("/")[2]
    return name[name.rindex(".") :].lower() if "." in name else ""


async def open_recording(
    source: GetRange,
    info: ObjectInfo,
    *,
    find: Find,
    memory_bytes: int = MEMORY_BYTES,
    with_annotations: bool = False,
) -> Recording:
    """Read what the header of a recording says, and find the objects that it names.

    Args:
        find: looks for them.
        memory_bytes: that the numbers of a recording may take which can be read as a whole alone.
        with_annotations: of EDF+ and BDF+, which have them among the numbers; the others have them in any case.

    Raises:
        DataError: it is no recording, contradicts itself, or what it names is not there.
        ConfigError: it takes a package that is not installed.
        SourceError: it could not be read.
    """
    ending = ending_of(info.key)
    if ending in (".bdf", ".edf"):
        return await _open_records(source, info, with_annotations=with_annotations)
    if ending == ".vhdr":
        return await _open_brainvision(source, info, find)
    if ending == ".set":
        return await _open_eeglab(source, info, find, memory_bytes)
    if ending == ".fif":
        return fif_recording(await from_object(walk_fif(info.size_bytes, info.key), source, info), info)
    raise DataError(
        f"{info.key} is no recording by its name",
        fix=f"take those that end with {', '.join(RECORDING_ENDINGS)}, by match",
        about=info.key,
    )


async def _open_records(source: GetRange, info: ObjectInfo, *, with_annotations: bool) -> Recording:
    start = bytes(await source.get_range(info, 0, min(info.size_bytes, _HEADER_READ_BYTES)))
    size = header_size(start[:FIXED_BYTES], name=info.key)
    if size > len(start) and info.size_bytes > len(start):
        rest = min(size, info.size_bytes) - len(start)
        start += bytes(await source.get_range(info, len(start), rest))
    header = parse_header(start, object_bytes=info.size_bytes, name=info.key)
    recording = of_records(info, header)
    is_broken = header.variant[3:5] == "+D"
    if is_broken or (with_annotations and header.annotation_channels):
        lists = await read_lists(source, info, header)
        recording = replace(recording, annotations=annotations_of(lists, header))
        if is_broken:
            recording = with_gaps(recording, segments_of(lists, header))
    return recording


def of_records(info: ObjectInfo, header: BdfHeader) -> Recording:
    """Return the recording of a BDF's or EDF's header, without gaps."""
    return Recording(
        name=header.name,
        form="BDF" if header.width_bytes == 3 else "EDF",
        labels=header.labels,
        units=header.units,
        kinds=("",) * header.num_channels,
        text=frozenset((*header.annotation_channels, *header.trigger_channels)),
        rates_hz=tuple(samples / header.record_seconds for samples in header.samples_per_record),
        samples_per_frame=header.samples_per_record,
        num_frames=header.num_records,
        segments=(Segment(first_frame=0, num_frames=header.num_records, start_seconds=0.0),),
        numbers=Records(info=info, header=header),
        note=header.note,
    )


async def _open_brainvision(source: GetRange, info: ObjectInfo, find: Find) -> Recording:
    header = parse_brainvision(await _whole(source, info), name=info.key)
    markers: list[Marker] = []
    if header.marker_file:
        found = await _companion(find, info.key, header.marker_file, other=".vmrk")
        markers = parse_markers(await _whole(source, found), name=found.key)
    numbers = await _companion(find, info.key, header.data_file)
    return brainvision_recording(header, markers, numbers, name=info.key)


async def _open_eeglab(source: GetRange, info: ObjectInfo, find: Find, memory_bytes: int) -> Recording:
    header = await read_eeglab(source, info, memory_bytes=memory_bytes)
    held = info
    if header.data_file:
        held = await _companion(find, info.key, header.data_file, other=".fdt")
    return eeglab_recording(header, held, name=info.key)


async def _whole(source: GetRange, info: ObjectInfo) -> bytes:
    if info.size_bytes > _MOST_TEXT:
        raise DataError(
            f"{info.key} has {format_bytes(info.size_bytes)}, too many for a header or markers",
            fix="leave it out",
            about=info.key,
        )
    return bytes(await source.get_range(info, 0, info.size_bytes))


async def _companion(find: Find, key: str, name: str, *, other: str = "") -> ObjectInfo:
    """Return the object that a header names.

    Args:
        other: ending of one of the header's own name, which is taken where what it names is not there.
    """
    if any(sign in name for sign in "/\\:\0") or name.strip() in ("", ".", ".."):
        raise DataError(
            f"{key} names {name[:80]!r}, which is no name of an object beside it",
            fix="put all objects of a recording into one folder, and name them without one",
            about=key,
        )
    folder, slash, _ = key.rpartition("/")
    asked = f"{folder}{slash}{name}"
    names = [asked, f"{key[: key.rindex('.')]}{other}"] if other else [asked]
    for each in dict.fromkeys(names):
        info = await find(each)
        if info is None:
            continue
        if info.trouble:
            raise ObjectUnreadable(f"{info.key} {info.trouble}", fix="make it one that can be read", about=key)
        if info.size_bytes:
            return info
    raise DataError(
        f"{key} names {' or '.join(dict.fromkeys(names))}, which is not there, or empty",
        fix="upload it beside its header, or leave the recording out",
        about=key,
    )
