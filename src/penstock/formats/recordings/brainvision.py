"""BrainVision: the header (``.vhdr``), which names an object of markers (``.vmrk``) and one of numbers (``.eeg``).

Read as Brain Products' description of the "Core Data Format" and MNE-Python have it: binary numbers, of 16 or 32 bits,
multiplexed or vectorized.
"""

from __future__ import annotations

import configparser
import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from penstock.errors import DataError, HeaderMismatch, TruncatedObject
from penstock.formats.recordings.model import Annotation, Numbers, Recording, Segment, gap_note
from penstock.formats.recordings.numbers import Columns, Piece, Rows
from penstock.sources import ObjectInfo

__all__ = ["BrainVisionHeader", "Marker", "brainvision_recording", "parse_brainvision", "parse_markers"]

MOST_CHANNELS: Final = 65_536
_MOST_POSITION: Final = 1 << 53
_MOST_DIGITS: Final = 17
_NUMBERS: Final = {"INT_16": "<i2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4"}
_VOLTS: Final = {"V": 1.0, "µV": 1e-6, "μV": 1e-6, "uV": 1e-6, "mV": 1e-3, "nV": 1e-9}
_OTHER: Final = {"µS": 1e-6, "uS": 1e-6}
_MAGIC: Final = re.compile(r"Brain ?Vision(?: Core| V-Amp)? Data(?: Exchange)? (Header|Marker) File,? Version [12]\.0")
_NEW_SEGMENT: Final = "New Segment"


@dataclass(frozen=True, kw_only=True, slots=True)
class BrainVisionHeader:
    """What a ``.vhdr`` says.

    Attributes:
        data_file: name of the object with the numbers.
        marker_file: name of that with the markers, empty where there is none.
        number: numpy's type of the numbers.
        num_samples: of each channel as the header states it, None where it does not.
        scales: volts, or what the unit is, of a stored 1, by channel.
    """

    data_file: str
    marker_file: str
    is_vectorized: bool
    number: str
    rate_hz: float
    num_samples: int | None
    labels: tuple[str, ...]
    units: tuple[str, ...]
    scales: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """A line of a ``.vmrk``; ``position`` is the sample, 0-based."""

    kind: str
    text: str
    position: int
    num_samples: int


def parse_brainvision(data: bytes, *, name: str) -> BrainVisionHeader:
    """Read a header.

    Raises:
        DataError: it is none, contradicts itself, or is of a kind that is not read.
    """
    text = _text(data, "Header", name)
    settings = configparser.ConfigParser(interpolation=None, strict=True)
    try:
        settings.read_string(text.partition("[Comment]")[0].partition("\n")[2])
        sections = {each.lower(): dict(settings.items(each)) for each in settings.sections()}
    except configparser.Error as error:
        raise _wrong(name, " ".join(str(error).split())[:200]) from error
    common = sections.get("common infos")
    if common is None:
        raise _wrong(name, "it has no [Common Infos]")
    if (form := common.get("dataformat", "BINARY").upper()) != "BINARY":
        raise _wrong(name, f"its DataFormat is {form!r}, only BINARY is read", fix="write it again as BINARY")
    orientation = common.get("dataorientation", "").upper()
    if orientation not in ("MULTIPLEXED", "VECTORIZED"):
        raise _wrong(name, f"its DataOrientation is {orientation!r}, not MULTIPLEXED or VECTORIZED")
    if (domain := common.get("datatype", "TIMEDOMAIN").upper()) != "TIMEDOMAIN":
        raise _wrong(name, f"its DataType is {domain!r}, only TIMEDOMAIN is read")
    if common.get("segmentationtype", "NOTSEGMENTED").upper() not in ("", "NOTSEGMENTED"):
        raise _wrong(name, f"its SegmentationType is {common['segmentationtype']!r}: it holds epochs, no recording")
    binary = sections.get("binary infos", {}).get("binaryformat", "")
    if binary.upper() not in _NUMBERS:
        raise _wrong(name, f"its BinaryFormat is {binary!r}, not one of {', '.join(_NUMBERS)}")
    num_channels = _count(common, "NumberOfChannels", name, most=MOST_CHANNELS)
    labels, units, scales = _channels(sections.get("channel infos", {}), num_channels, name)
    return BrainVisionHeader(
        data_file=_named(common, "DataFile", name) or _wrong_name(name),
        marker_file=_named(common, "MarkerFile", name),
        is_vectorized=orientation == "VECTORIZED",
        number=_NUMBERS[binary.upper()],
        rate_hz=_rate(common, name),
        num_samples=_count(common, "DataPoints", name)
        if common.get("datapoints", "0").strip() not in ("", "0")
        else None,
        labels=labels,
        units=units,
        scales=scales,
    )


def parse_markers(data: bytes, *, name: str) -> list[Marker]:
    """Read the markers of a ``.vmrk``, in its order.

    Raises:
        DataError: it is none, or a line has no position.
    """
    text = _text(data, "Marker", name)
    found = re.search(r"^\[Marker Infos\]", text, re.IGNORECASE | re.MULTILINE)
    markers = []
    for line in re.findall(r"^Mk\d+=(.*)", text[found.end() :] if found else "", re.MULTILINE):
        cells = [cell.replace(r"\1", ",") for cell in line.strip().split(",")]
        try:
            position = int(cells[2])
        except (IndexError, ValueError):
            raise _wrong(name, f"its marker {line[:60]!r} has no position") from None
        if not 0 <= position <= _MOST_POSITION:
            raise _wrong(name, f"its marker {line[:60]!r} has no position in any recording")
        told = cells[3].strip() if len(cells) > 3 else ""
        lasts = int(told) if told.isascii() and told.isdigit() and len(told) < _MOST_DIGITS else 0
        markers.append(Marker(kind=cells[0], text=cells[1], position=position - 1, num_samples=lasts))
    return markers


def brainvision_recording(
    header: BrainVisionHeader, markers: list[Marker], info: ObjectInfo, *, name: str
) -> Recording:
    """Return the recording of a header, its markers, and the object that holds its numbers.

    Raises:
        TruncatedObject: the object is not as long as it should be.
        HeaderMismatch: it is longer.
    """
    num_frames = _num_frames(header, info, name)
    breaks = sorted({mark.position for mark in markers if mark.kind == _NEW_SEGMENT and 0 < mark.position < num_frames})
    segments = segments_between(breaks, num_frames, header.rate_hz)
    told = markers[1:] if markers and markers[0].kind == _NEW_SEGMENT else markers
    numbers: Numbers
    if header.is_vectorized:
        numbers = Columns(info=info, number=header.number, scales=header.scales, num_frames=num_frames)
    else:
        pieces = (Piece(first_frame=0, num_frames=num_frames, offset=0),)
        numbers = Rows(info=info, number=header.number, scales=header.scales, num_frames=num_frames, pieces=pieces)
    each = len(header.labels)
    return Recording(
        name=name,
        form="BrainVision",
        labels=header.labels,
        units=header.units,
        kinds=("",) * each,
        text=frozenset(),
        rates_hz=(header.rate_hz,) * each,
        samples_per_frame=(1,) * each,
        num_frames=num_frames,
        segments=segments,
        numbers=numbers,
        annotations=tuple(
            Annotation(
                onset_seconds=mark.position / header.rate_hz,
                duration_seconds=mark.num_samples / header.rate_hz,
                text=f"{mark.kind}/{mark.text}",
            )
            for mark in told
        ),
        note=gap_note(segments),
    )


def _num_frames(header: BrainVisionHeader, info: ObjectInfo, name: str) -> int:
    """Return how many samples of each channel an object holds, by its size."""
    frame_bytes = int(header.number[-1]) * len(header.labels)
    num_frames, rest = divmod(info.size_bytes, frame_bytes)
    stated = header.num_samples
    if not num_frames or (stated is not None and num_frames < stated) or rest:
        needed = f"{stated * frame_bytes} by {name}" if stated is not None else f"a multiple of {frame_bytes}"
        raise TruncatedObject(
            f"{info.key} has {info.size_bytes} bytes, {needed} are needed ({len(header.labels)} channels)",
            fix="the object was cut off: upload it again, or leave it out",
            about=name,
        )
    if stated is not None and num_frames > stated:
        raise _wrong(name, f"it states {stated} samples of {len(header.labels)} channels, {info.key} has {num_frames}")
    return num_frames


def segments_between(breaks: list[int], num_frames: int, rate_hz: float) -> tuple[Segment, ...]:
    """Return the segments between breaks, given by the frame that follows each, whose gaps have no length."""
    edges = [0, *breaks, num_frames]
    return tuple(
        Segment(first_frame=first, num_frames=end - first, start_seconds=first / rate_hz)
        for first, end in pairwise(edges)
        if end > first
    )


def _text(data: bytes, what: str, name: str) -> str:
    first = data.partition(b"\n")[0].decode("ascii", "ignore").strip()
    match = _MAGIC.search(first)
    if match is None or match[1] != what:
        raise _wrong(name, f"it begins with {first[:60]!r}, not as a BrainVision {what} File of version 1.0 or 2.0")
    page = re.search(rb"Codepage=([A-Za-z0-9_-]+)", data)
    codec = page[1].decode().lower() if page else "utf-8"
    try:
        return data.decode("cp1252" if codec == "ansi" else codec).replace("\r\n", "\n")
    except (UnicodeError, LookupError):
        return data.decode("latin-1").replace("\r\n", "\n")


def _channels(
    rows: dict[str, str], num_channels: int, name: str
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[float, ...]]:
    found: dict[int, tuple[str, str, float]] = {}
    for key, value in rows.items():
        match = re.fullmatch(r"ch(\d{1,6})", key)
        if match is None:
            raise _wrong(name, f"its [Channel Infos] have {key!r}")
        number = int(match[1]) - 1
        if not 0 <= number < num_channels or number in found:
            raise _wrong(name, f"its [Channel Infos] tell of Ch{number + 1}, of {num_channels} channels")
        cells = [cell.strip() for cell in value.split(",")] + ["", "", ""]
        unit = cells[3].replace("\xc2", "") or "µV"
        found[number] = (cells[0].replace(r"\1", ","), unit, _scale(cells[2], unit, value, name))
    missing = next((number for number in range(num_channels) if number not in found), None)
    if missing is not None:
        raise _wrong(name, f"its [Channel Infos] lack Ch{missing + 1} of {num_channels} channels")
    labels, units, scales = zip(*(found[number] for number in range(num_channels)), strict=True)
    return labels, units, scales


def _scale(text: str, unit: str, row: str, name: str) -> float:
    resolution = _float(text or "1", name, f"resolution of {row[:40]!r}")
    if resolution == 0:
        raise _wrong(name, f"the resolution of {row[:40]!r} is 0")
    return _VOLTS.get(unit, _OTHER.get(unit, 1.0)) * resolution


def _rate(common: dict[str, str], name: str) -> float:
    interval = _float(common.get("samplinginterval", ""), name, "SamplingInterval")
    if interval <= 0 or not math.isfinite(1e6 / interval):
        raise _wrong(name, f"its SamplingInterval is {interval:g}, not a time")
    return 1e6 / interval


def _count(common: dict[str, str], option: str, name: str, *, most: int = 1 << 53) -> int:
    text = common.get(option.lower(), "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 18 and 0 < int(text) <= most):
        raise _wrong(name, f"its {option} is {text[:40]!r}, not a number from 1 to {most}")
    return int(text)


def _float(text: str, name: str, what: str) -> float:
    try:
        value = float(text.strip())
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _wrong(name, f"its {what} is {text.strip()[:40]!r}, not a number")
    return value


def _named(common: dict[str, str], option: str, name: str) -> str:
    stem = name.rpartition("/")[2].rpartition(".")[0]
    return common.get(option.lower(), "").strip().replace("$b", stem)


def _wrong_name(name: str) -> str:
    raise _wrong(name, "it names no DataFile")


def _wrong(name: str, what: str, *, fix: str = "") -> DataError:
    return HeaderMismatch(
        f"the header of {name} is wrong: {what}", fix=fix or "upload the recording again, or leave it out", about=name
    )
