"""Writing BDF and EDF: the header, then blocks of records as they come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.formats.bdf.header import BDF_MAGIC, EDF_MAGIC, BdfHeader

__all__ = ["encode_bdf", "encode_header", "encode_records", "to_digital"]


def encode_header(header: BdfHeader, *, num_records: int | None = None) -> bytes:
    """Write a header; ``parse_header`` reads it back.

    Args:
        num_records: what to state instead of the header's own number, -1 for a recording that is not closed.

    Raises:
        ConfigError: a value does not fit its field.
    """
    stated = header.num_records if num_records is None else num_records
    each = range(header.num_channels)
    fixed = [
        (BDF_MAGIC if header.width_bytes == 3 else EDF_MAGIC).decode("latin-1"),
        _field("X X X X", 80),
        _field("Startdate X X X X", 80),
        _field("01.01.25", 8),
        _field("00.00.00", 8),
        _field(str(header.header_bytes), 8),
        _field(header.variant, 44),
        _field(str(stated), 8),
        _field(_number(header.record_seconds), 8),
        _field(str(header.num_channels), 4),
    ]
    columns = [
        [_field(label, 16) for label in header.labels],
        [_field("", 80) for _ in each],
        [_field(unit, 8) for unit in header.units],
        [_field(_number(value), 8) for value in header.physical_min],
        [_field(_number(value), 8) for value in header.physical_max],
        [_field(str(value), 8) for value in header.digital_min],
        [_field(str(value), 8) for value in header.digital_max],
        [_field("", 80) for _ in each],
        [_field(str(value), 8) for value in header.samples_per_record],
        [_field("", 32) for _ in each],
    ]
    return "".join([*fixed, *(field for column in columns for field in column)]).encode("latin-1")


def encode_records(header: BdfHeader, digital: Sequence[NDArray[np.int32]] | NDArray[np.int32]) -> bytes:
    """Write whole records.

    Args:
        digital: stored numbers of each channel, shape (records * samples per record,); one array of shape
            (channels, times) where all channels have one rate.

    Raises:
        ConfigError: the channels do not make the same number of whole records.
    """
    shapes = {divmod(len(row), samples) for row, samples in zip(digital, header.samples_per_record, strict=True)}
    if len(shapes) != 1 or next(iter(shapes))[1]:
        raise ConfigError(
            f"the channels of {header.name} do not fill the same number of whole records",
            fix="give each channel records x samples per record numbers",
        )
    num_records = next(iter(shapes))[0]
    width = header.width_bytes
    if isinstance(digital, np.ndarray):
        numbers = digital.reshape(header.num_channels, num_records, -1).transpose(1, 0, 2)
    else:
        numbers = np.concatenate([np.asarray(row, np.int32).reshape(num_records, -1) for row in digital], axis=1)
    words = np.ascontiguousarray(numbers, dtype="<i4").reshape(-1)
    return words.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()


def encode_bdf(header: BdfHeader, digital: Sequence[NDArray[np.int32]] | NDArray[np.int32]) -> bytes:
    """Write a whole recording; ``digital`` is that of ``encode_records``."""
    return encode_header(header) + encode_records(header, digital)


def to_digital(header: BdfHeader, physical: NDArray[np.float32]) -> NDArray[np.int32]:
    """Turn physical values (in each channel's own unit) into the nearest numbers that can be stored.

    Args:
        physical: shape (channels, times).
    """
    low, high = np.array(header.physical_min), np.array(header.physical_max)
    digital_low, digital_high = np.array(header.digital_min), np.array(header.digital_max)
    gain = ((digital_high - digital_low) / (high - low)).astype(np.float32)[:, None]
    offset = (digital_low - low * (digital_high - digital_low) / (high - low)).astype(np.float32)[:, None]
    scaled = physical * gain
    scaled += offset
    np.rint(scaled, out=scaled)
    numbers: NDArray[np.int32] = scaled.astype(np.int32)
    np.clip(numbers, digital_low[:, None], digital_high[:, None], out=numbers)
    return numbers


def _number(value: float) -> str:
    """Return the most precise way to write a number in eight characters."""
    exact = repr(int(value)) if value == int(value) else repr(value)
    if len(exact) <= 8:
        return exact
    written = (f"{value:.{digits}g}" for digits in range(8, 0, -1))
    return next(text for text in written if len(text) <= 8)


def _field(text: str, width: int) -> str:
    if len(text) > width:
        raise ConfigError(f"{text!r} does not fit a header field of {width} characters", fix="shorten it")
    return text.ljust(width)
