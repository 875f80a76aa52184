"""EEGLAB: a ``.set`` (a MATLAB file), with the numbers in it or beside it in an ``.fdt``."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError, HeaderMismatch, TruncatedObject
from penstock.formats.recordings.asking import Inflated, Run, ask, from_bytes, from_object
from penstock.formats.recordings.brainvision import segments_between
from penstock.formats.recordings.mat73 import fields_of_hdf5, is_hdf5, numbers_of_hdf5
from penstock.formats.recordings.matlab import (
    HEADER_BYTES,
    Damaged,
    Lies,
    Variable,
    byte_order,
    fields_of,
    refuse,
    variables,
)
from penstock.formats.recordings.model import Annotation, Numbers, Recording, gap_note
from penstock.formats.recordings.numbers import Packed, Piece, Rows
from penstock.sources import GetRange, ObjectInfo
from penstock.units import format_bytes

__all__ = ["EeglabHeader", "eeglab_recording", "read_eeglab", "unpacked_numbers"]

CAL: Final = 1e-6
"""Volts per number: EEGLAB has microvolts."""
_WANTED: Final = ("srate", "nbchan", "trials", "pnts", "chanlocs", "event")
_KINDS: Final = (
    "eeg", "eog", "ecg", "emg", "misc", "stim", "resp", "seeg", "ecog", "dbs", "bio", "meg", "ref", "gsr", "syst",
)  # fmt: skip
_BOUNDARY: Final = "boundary"
_MOST_CHANNELS: Final = 65_536
_MOST_SAMPLE: Final = 1 << 53

Steps = Generator[Sequence[Run], Sequence[bytes], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class EeglabHeader:
    """What a ``.set`` says.

    Attributes:
        data_file: name of the object with the numbers; empty where the ``.set`` itself holds them.
        lies: where they lie in it, ``offset`` 0 where they are packed.
        packing: of the ``.set`` where its numbers are packed: ``mat5`` or ``hdf5``.
        events: (sample, samples that it lasts, type), 0-based.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    rate_hz: float
    num_samples: int
    data_file: str
    lies: Lies | None
    packing: str
    events: tuple[tuple[float, float, str], ...]


async def read_eeglab(source: GetRange, info: ObjectInfo, *, memory_bytes: int) -> EeglabHeader:
    """Read what a ``.set`` says; where it is packed all of it is read.

    Raises:
        DataError: it is none, contradicts itself, or unpacks to more than ``memory_bytes``.
        ConfigError: it takes h5py, which is not installed.
        SourceError: it could not be read.
    """
    start = bytes(await source.get_range(info, 0, min(info.size_bytes, HEADER_BYTES)))
    if is_hdf5(start):
        _check_memory(info.size_bytes, memory_bytes, info.key)
        whole = bytes(await source.get_range(info, 0, info.size_bytes))
        return _header(
            fields_of_hdf5(whole, wanted=_WANTED, memory_bytes=memory_bytes, name=info.key), "hdf5", info.key
        )
    order = byte_order(start, name=info.key)
    found: dict[str, Any] = {}
    packing = ""
    try:
        for part in await from_object(variables(info.size_bytes, order), source, info):
            if part.is_packed:
                _check_memory(part.num_bytes, memory_bytes, info.key)
                data = await source.get_range(info, part.offset, part.num_bytes)
                name, fields = Inflated(data, most_bytes=memory_bytes, name=info.key).run(_packed(order, _wanted))
            else:
                end = part.offset + part.num_bytes
                name, fields = await from_object(_wanted(part.offset, end, order), source, info)
            found |= fields if name != "ALLEEG" else {"several": True}
            if part.is_packed and "data" in fields:
                packing = "mat5"
    except Damaged as error:
        raise refuse(error, info.key) from error
    return _header(found, packing, info.key)


def unpacked_numbers(data: memoryview, packing: str, most_bytes: int, *, name: str) -> bytes:
    """Return the numbers that a packed ``.set`` holds, as they are stored.

    Raises:
        DataError: it does not hold them.
        ConfigError: it takes h5py, which is not installed.
    """
    if packing == "hdf5":
        return numbers_of_hdf5(data, most_bytes=most_bytes, name=name)
    order = byte_order(bytes(data[:HEADER_BYTES]), name=name)
    try:
        parts: list[Variable] = from_bytes(variables(len(data), order), data, name=name)
        for part in parts:
            if part.is_packed:
                packed = data[part.offset : part.offset + part.num_bytes]
                # What comes before the numbers may be long too, and is passed over.
                found = Inflated(packed, most_bytes=1 << 40, name=name).run(_packed(order, _numbers_in(most_bytes)))
                if isinstance(found, bytes):
                    return found
    except Damaged as error:
        raise refuse(error, name) from error
    raise refuse(Damaged("it has no data"), name)


def eeglab_recording(header: EeglabHeader, info: ObjectInfo, *, name: str) -> Recording:
    """Return the recording of a header and the object that holds its numbers.

    Raises:
        TruncatedObject: the object is shorter than it should be.
        HeaderMismatch: it is longer.
    """
    each = len(header.labels)
    scales = (CAL,) * each
    numbers: Numbers
    if header.lies is None:
        _check_size(header, info, name)
        number, offset = "<f4", 0
    else:
        number, offset = header.lies.number, header.lies.offset
    if header.packing:
        numbers = Packed(info=info, number=number, scales=scales, num_frames=header.num_samples, packing=header.packing)
    else:
        pieces = (Piece(first_frame=0, num_frames=header.num_samples, offset=offset),)
        numbers = Rows(info=info, number=number, scales=scales, num_frames=header.num_samples, pieces=pieces)
    is_break = [(at, kind.strip().lower() == _BOUNDARY) for at, _, kind in header.events]
    breaks = sorted({math.ceil(at) for at, breaks in is_break if breaks and 0 < at < header.num_samples})
    segments = segments_between(breaks, header.num_samples, header.rate_hz)
    return Recording(
        name=name,
        form="EEGLAB",
        labels=header.labels,
        units=("µV",) * each,
        kinds=header.kinds,
        text=frozenset(i for i, kind in enumerate(header.kinds) if kind == "STIM"),
        rates_hz=(header.rate_hz,) * each,
        samples_per_frame=(1,) * each,
        num_frames=header.num_samples,
        segments=segments,
        numbers=numbers,
        annotations=tuple(
            Annotation(onset_seconds=at / header.rate_hz, duration_seconds=lasts / header.rate_hz, text=kind)
            for at, lasts, kind in header.events
        ),
        note=gap_note(segments),
    )


def _check_size(header: EeglabHeader, info: ObjectInfo, name: str) -> None:
    """Refuse an .fdt that is not as long as its header says."""
    needed = 4 * len(header.labels) * header.num_samples
    if info.size_bytes < needed:
        raise TruncatedObject(
            f"{info.key} has {info.size_bytes} bytes, {needed} are needed by {name} ({len(header.labels)} channels, "
            f"{header.num_samples} samples)",
            fix="the object was cut off: upload it again, or leave it out",
            about=name,
        )
    if info.size_bytes > needed:
        raise _wrong(name, f"{info.key} has {info.size_bytes} bytes, not {needed}")


def _wanted(at: int, end: int, order: str) -> Steps:
    return fields_of(at, end, order, struct="EEG", wanted=_WANTED, passed_over="data")


def _numbers_in(most_bytes: int) -> Any:
    def steps(at: int, end: int, order: str) -> Steps:
        _, fields = yield from fields_of(
            at, end, order, struct="EEG", wanted=(), passed_over="data", most_bytes=most_bytes
        )
        return fields.get("data")

    return steps


def _packed(order: str, steps: Any) -> Steps:
    """Run steps over what one packed part unpacks to: a matrix."""
    first, length = np.frombuffer((yield from ask(0, 8)), f"{order}u4").tolist()
    if first != 14:
        raise Damaged(f"a packed part is of type {first}")
    return (yield from steps(8, 8 + length, order))


def _header(found: Mapping[str, Any], packing: str, name: str) -> EeglabHeader:
    if "several" in found:
        raise _wrong(name, "it holds several datasets (ALLEEG)")
    if "srate" not in found or "data" not in found:
        raise _wrong(name, "it holds no dataset of EEGLAB (EEG with srate and data)")
    rate = _number(found["srate"], "srate", name)
    if rate <= 0:
        raise _wrong(name, f"its srate is {rate:g}")
    trials = _number(found.get("trials"), "trials", name, default=1.0)
    if trials != 1:
        raise _wrong(name, f"it holds {trials:g} epochs, and no recording")
    lies, data_file = _place(found["data"], name)
    shape = (0, 0) if lies is None else lies.shape
    channels = _count(found.get("nbchan"), "nbchan", name, default=shape[0])
    samples = _count(found.get("pnts"), "pnts", name, default=math.prod(shape[1:]))
    if channels > _MOST_CHANNELS:
        raise _wrong(name, f"its nbchan is {channels}")
    if lies is not None:
        _check_shape(lies, channels, samples, name)
    labels, kinds = _channels(found.get("chanlocs"), channels, name)
    return EeglabHeader(
        labels=labels,
        kinds=kinds,
        rate_hz=rate,
        num_samples=samples,
        data_file=data_file,
        lies=lies,
        packing=packing if lies is not None else "",
        events=_events(found.get("event"), name),
    )


def _place(data: Any, name: str) -> tuple[Lies | None, str]:
    """Return where the numbers lie in the file itself, or the name of the file that they lie in."""
    if isinstance(data, Lies):
        return data, ""
    data_file = data.strip() if isinstance(data, str) else ""
    if not data_file:
        raise _wrong(name, "its data are neither numbers nor the name of an .fdt")
    if not data_file.lower().endswith((".fdt", ".set")):
        raise _wrong(name, f"its data lie in {data_file[:60]!r}, which is no .fdt")
    return None, data_file


def _check_shape(lies: Lies, channels: int, samples: int, name: str) -> None:
    if not lies.number:
        raise _wrong(name, "its data are no numbers")
    bytes_needed = channels * samples * np.dtype(lies.number).itemsize
    if math.prod(lies.shape) != channels * samples or lies.num_bytes != bytes_needed:
        raise _wrong(
            name,
            f"its data have the shape {lies.shape} and {lies.num_bytes} bytes, for {channels} channels "
            f"of {samples} samples",
        )


def _channels(value: Any, count: int, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rows = value if isinstance(value, list) else []
    if not rows:
        return tuple(f"EEG {number:03d}" for number in range(count)), ("EEG",) * count
    if len(rows) != count:
        raise _wrong(name, f"its chanlocs tell of {len(rows)} channels, its nbchan is {count}")
    labels, kinds = [], []
    for number, row in enumerate(rows):
        label = row.get("labels") if isinstance(row, dict) else None
        if not isinstance(label, str) or not label.strip():
            raise _wrong(name, f"its chanlocs give channel {number + 1} no label")
        kind = row.get("type")
        labels.append(label.strip())
        kinds.append(kind.strip().upper() if isinstance(kind, str) and kind.strip().lower() in _KINDS else "")
    return tuple(labels), tuple(kinds)


def _events(value: Any, name: str) -> tuple[tuple[float, float, str], ...]:
    found = []
    for row in value if isinstance(value, list) else []:
        if not isinstance(row, dict):
            raise _wrong(name, "its events are none")
        if row.get("latency") is None and row.get("type") is None:
            continue
        latency = _number(row.get("latency"), "latency of an event", name, default=math.nan, may_be_nan=True)
        lasts = _number(row.get("duration"), "duration of an event", name, default=0.0, may_be_nan=True)
        if abs(latency) > _MOST_SAMPLE or lasts > _MOST_SAMPLE:
            raise _wrong(name, f"an event has the latency {latency:g} and lasts {lasts:g} samples")
        if not math.isnan(latency):
            found.append((latency - 1, 0.0 if math.isnan(lasts) else lasts, _kind(row.get("type"))))
    return tuple(found)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return str(value[0]) if value.size == 1 else ""
    return value if isinstance(value, str) else ""


def _number(value: Any, what: str, name: str, *, default: float | None = None, may_be_nan: bool = False) -> float:
    array: NDArray[Any] | None = value if isinstance(value, np.ndarray) and value.size else None
    if array is None and default is not None and (value is None or isinstance(value, np.ndarray)):
        return default
    if array is None or array.size != 1:
        raise _wrong(name, f"its {what} is no number")
    number = float(array[0])
    if math.isinf(number) or (math.isnan(number) and not may_be_nan):
        raise _wrong(name, f"its {what} is {number}")
    return number


def _count(value: Any, what: str, name: str, *, default: int) -> int:
    number = _number(value, what, name, default=float(default))
    if number < 1 or number != int(number) or number > 1 << 48:
        raise _wrong(name, f"its {what} is {number:g}")
    return int(number)


def _check_memory(size: int, memory_bytes: int, name: str) -> None:
    if size > memory_bytes:
        raise DataError(
            f"{name} is packed and has {format_bytes(size)}, more than {format_bytes(memory_bytes)}",
            fix="save it from EEGLAB with an .fdt beside it, or leave it out",
            about=name,
        )


def _wrong(name: str, what: str) -> DataError:
    return HeaderMismatch(f"{name} is wrong: {what}", fix="save it again from EEGLAB, or leave it out", about=name)
