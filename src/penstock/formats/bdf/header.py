"""The header of a BDF or EDF recording, read strictly.

A header that contradicts itself or the object that it heads is an error, never repaired: a wrong offset
would turn every sample into noise without a sign. The one thing inferred is the number of records of a recording that
was not closed: where the header leaves it open (-1), or where the last record is cut, it is the whole ones that the
object holds, as MNE reads it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from penstock.errors import DataError, HeaderMismatch, TruncatedObject

__all__ = ["FIXED_BYTES", "BdfHeader", "header_size", "parse_header"]

FIXED_BYTES: Final = 256
CHANNEL_BYTES: Final = 256
UNKNOWN_RECORDS: Final = -1
BDF_MAGIC: Final = b"\xffBIOSEMI"
EDF_MAGIC: Final = b"0       "
# Widths of the fields that follow the fixed part, each given for all channels in turn.
CHANNEL_FIELDS: Final = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_LABEL, _UNIT, _PMIN, _PMAX, _DMIN, _DMAX, _SAMPLES = 0, 2, 3, 4, 5, 6, 8


@dataclass(frozen=True, kw_only=True, slots=True)
class BdfHeader:
    """What a header says; per-channel fields have one entry a channel, in file order.

    Attributes:
        name: key of the object, for messages.
        width_bytes: bytes of one stored number, 3 for BDF and 2 for EDF.
        variant: the reserved field (``24BIT``, ``BDF+C``, ``EDF+C`` or empty), stripped; of ``BDF+D`` and ``EDF+D``
            the annotations tell when each record begins.
        num_records: records in the object, inferred from its size where the header says -1.
        record_seconds: time that one record spans.
        units: physical dimension as written, ``uV``.
        samples_per_record: numbers that a channel has in each record.
        note: on a last record that is not whole, which is not read; empty where there is none.
    """

    name: str
    width_bytes: int
    variant: str
    num_records: int
    record_seconds: float
    labels: tuple[str, ...]
    units: tuple[str, ...]
    physical_min: tuple[float, ...]
    physical_max: tuple[float, ...]
    digital_min: tuple[int, ...]
    digital_max: tuple[int, ...]
    samples_per_record: tuple[int, ...]
    note: str = ""

    @property
    def num_channels(self) -> int:
        """Channels in the file, annotations and triggers included."""
        return len(self.labels)

    @property
    def header_bytes(self) -> int:
        """Bytes before the first record."""
        return FIXED_BYTES + CHANNEL_BYTES * self.num_channels

    @property
    def record_bytes(self) -> int:
        """Bytes of one record of all channels."""
        return self.width_bytes * sum(self.samples_per_record)

    @property
    def annotation_channels(self) -> tuple[int, ...]:
        """Channels that hold text, not numbers."""
        return tuple(i for i, label in enumerate(self.labels) if label in ("BDF Annotations", "EDF Annotations"))

    @property
    def trigger_channels(self) -> tuple[int, ...]:
        """Channels that hold bits of triggers and states."""
        return tuple(i for i, label in enumerate(self.labels) if label.lower() in ("status", "trigger"))


def header_size(first_bytes: bytes | memoryview, *, name: str) -> int:
    """Return how many bytes the whole header has, from the object's first 256.

    Raises:
        TruncatedObject: there are fewer than 256.
        DataError: the object is neither BDF nor EDF.
        HeaderMismatch: the number of channels and the header's stated size disagree.
    """
    fixed = bytes(first_bytes[:FIXED_BYTES])
    if len(fixed) >= len(BDF_MAGIC):
        _width(fixed, name)
    if len(fixed) < FIXED_BYTES:
        raise _truncated(name, len(fixed), FIXED_BYTES, "of header")
    stated = _integer(fixed[184:192], "header size", name)
    num_channels = _integer(fixed[252:256], "number of channels", name)
    if num_channels < 1:
        raise _mismatch(name, f"its header states {num_channels} channels")
    if stated != FIXED_BYTES + CHANNEL_BYTES * num_channels:
        raise _mismatch(
            name,
            f"its header states {stated} header bytes, but {num_channels} channels take "
            f"{FIXED_BYTES + CHANNEL_BYTES * num_channels}",
        )
    return stated


def parse_header(first_bytes: bytes | memoryview, *, object_bytes: int, name: str) -> BdfHeader:
    """Read a header and compare it with the size of the object that it heads.

    Args:
        first_bytes: at least the first ``header_size`` bytes of the object.
        object_bytes: size of the whole object.
        name: key of the object, for messages.

    Raises:
        TruncatedObject: the object ends more than a record before its header says it should.
        HeaderMismatch: the header contradicts itself or the object has more records than it says.
        DataError: it is neither BDF nor EDF.
    """
    size = header_size(first_bytes, name=name)
    if len(first_bytes) < size or object_bytes < size:
        raise _truncated(name, min(len(first_bytes), object_bytes), size, "of header")
    data = bytes(first_bytes[:size])
    variant = _text(data[192:236])
    columns = _channel_columns(data, (size - FIXED_BYTES) // CHANNEL_BYTES)
    width_bytes = _width(data, name)
    samples = tuple(_integer(field, "samples per record", name) for field in columns[_SAMPLES])
    if min(samples) < 1:
        raise _mismatch(name, f"a channel has {min(samples)} samples per record")
    num_records, note = _num_records(data, size, object_bytes, width_bytes * sum(samples), name)
    header = BdfHeader(
        name=name,
        width_bytes=width_bytes,
        variant=variant,
        num_records=num_records,
        record_seconds=_number(data[244:252], "record duration", name),
        labels=tuple(_text(field) for field in columns[_LABEL]),
        units=tuple(field.decode("latin-1").strip() for field in columns[_UNIT]),
        physical_min=tuple(_number(field, "physical minimum", name) for field in columns[_PMIN]),
        physical_max=tuple(_number(field, "physical maximum", name) for field in columns[_PMAX]),
        digital_min=tuple(_integer(field, "digital minimum", name) for field in columns[_DMIN]),
        digital_max=tuple(_integer(field, "digital maximum", name) for field in columns[_DMAX]),
        samples_per_record=samples,
        note=note,
    )
    _check_scales(header)
    return header


def _channel_columns(data: bytes, num_channels: int) -> list[list[bytes]]:
    columns, at = [], FIXED_BYTES
    for width in CHANNEL_FIELDS:
        columns.append([data[at + i * width : at + (i + 1) * width] for i in range(num_channels)])
        at += width * num_channels
    return columns


def _num_records(data: bytes, header_bytes: int, object_bytes: int, record_bytes: int, name: str) -> tuple[int, str]:
    """Return the whole records, and a note on a last one that is cut."""
    stated = _integer(data[236:244], "number of records", name)
    whole, rest = divmod(object_bytes - header_bytes, record_bytes)
    if stated < 1 and stated != UNKNOWN_RECORDS:
        raise _mismatch(name, f"its header states {stated} records")
    if whole < 1:
        raise _truncated(name, object_bytes, header_bytes + record_bytes, "to hold one record")
    if stated in (UNKNOWN_RECORDS, whole, whole + 1):
        cut = f"its last record has {rest} of {record_bytes} bytes: {whole} whole ones are read" if rest else ""
        one_less = f"its header states {stated} records, {whole} are there" if stated == whole + 1 else ""
        return whole, cut or one_less
    expected = header_bytes + stated * record_bytes
    if whole < stated:
        raise _truncated(name, object_bytes, expected, f"by its header ({stated} records)")
    raise _mismatch(
        name,
        f"it has {object_bytes} bytes, but {stated} records of {record_bytes} bytes after {header_bytes} "
        f"of header make {expected}",
    )


def _check_scales(header: BdfHeader) -> None:
    if header.record_seconds <= 0:
        raise _mismatch(header.name, f"its records last {header.record_seconds:g} s")
    text = {*header.annotation_channels, *header.trigger_channels}
    for i in (i for i in range(header.num_channels) if i not in text):
        low, high = header.digital_min[i], header.digital_max[i]
        if low >= high:
            raise _mismatch(header.name, f"channel {header.labels[i]!r} has digital range {low}..{high}")
        if header.physical_min[i] == header.physical_max[i]:
            raise _mismatch(
                header.name, f"channel {header.labels[i]!r} has an empty physical range at {header.physical_min[i]:g}"
            )


def _width(data: bytes, name: str) -> int:
    if data[:8] == BDF_MAGIC:
        return 3
    if data[:8] == EDF_MAGIC:
        return 2
    raise DataError(
        f"{name} is neither BDF nor EDF (it begins with {data[:8]!r})",
        fix="leave it out, or convert it to BDF",
        about=name,
    )


def _text(field: bytes) -> str:
    return field.decode("latin-1").split("\x00", 1)[0].strip()


def _integer(field: bytes, what: str, name: str) -> int:
    value = _number(field, what, name)
    if value != int(value):
        raise _mismatch(name, f"its {what} is {_text(field)!r}, not a whole number")
    return int(value)


def _number(field: bytes, what: str, name: str) -> float:
    try:
        value = float(_text(field).replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _mismatch(name, f"its {what} is {_text(field)!r}, not a number")
    return value


def _mismatch(name: str, what: str) -> HeaderMismatch:
    return HeaderMismatch(
        f"the header of {name} is wrong: {what}", fix="upload the recording again, or leave it out", about=name
    )


def _truncated(name: str, found_bytes: int, expected_bytes: int, why: str) -> TruncatedObject:
    return TruncatedObject(
        f"{name} has {found_bytes} bytes, {expected_bytes} are needed {why}",
        fix="the object was cut off: upload it again, or leave it out",
        about=name,
    )
