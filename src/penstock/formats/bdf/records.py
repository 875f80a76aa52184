"""Data records: which bytes hold a run of samples, and what the bytes mean.

Numbers come out as MNE-Python gives them, bit for bit: ``(stored * gain + offset) * unit`` in float64, where
``unit`` turns a voltage into volts and leaves any other physical dimension alone. Records are decoded in
blocks that fit the processor's cache, without a Python loop over samples or channels.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.bdf.header import BdfHeader
from penstock.formats.bdf.rates import at_commonest_rate
from penstock.records.codec import Part

__all__ = [
    "RecordLayout",
    "RecordsSpan",
    "decode_records",
    "record_layout",
    "records_span",
    "runs_of",
    "shared",
    "signal_channels",
]

BLOCK_BYTES: Final = 1 << 19
# Volts per unit, by the spellings that occur: Greek mu, micro sign, mu of Shift JIS.
VOLTS: Final = {"μV": 1e-6, "µV": 1e-6, "\x83\xcaV": 1e-6, "uV": 1e-6, "mV": 1e-3}


class RecordLayout(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How to decode the wanted channels of whole records; a scale that all channels share is one number.

    Attributes:
        width_bytes: bytes of one stored number, 3 or 2.
        record_bytes: bytes of one record of all channels, wanted or not.
        samples_per_record: numbers that each wanted channel has in a record.
        runs: neighbouring wanted channels as (numbers of the record before them, how many channels).
        gain: physical units per stored step.
        offset: physical value that a stored 0 stands for.
        unit: volts per physical unit, 1 where it is no voltage.
        number: numpy's type of the stored numbers; empty where they are BDF's or EDF's, by their width.
        packed: what the whole object is that the records must be taken out of; empty where they lie there as they are.
        num_records: of a packed object.
    """

    width_bytes: int
    record_bytes: int
    samples_per_record: int
    runs: tuple[tuple[int, int], ...]
    gain: float | tuple[float, ...]
    offset: float | tuple[float, ...]
    unit: float | tuple[float, ...]
    number: str = ""
    packed: Literal["", "mat5", "hdf5"] = ""
    num_records: int = 0

    @property
    def num_channels(self) -> int:
        """Wanted channels."""
        return sum(count for _, count in self.runs)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordsSpan:
    """Whole records that hold a run of samples.

    Attributes:
        offset: byte of the object that the first of the records begins at.
        length_bytes: bytes of the records.
        skip_samples: decoded samples before the first wanted one.
    """

    offset: int
    length_bytes: int
    skip_samples: int


def signal_channels(header: BdfHeader) -> tuple[int, ...]:
    """Return the ordinary channels, in file order: no annotations or triggers, and all at the commonest rate.

    Where two rates are equally common the higher one is taken.

    Raises:
        DataError: there are none.
    """
    other = {*header.annotation_channels, *header.trigger_channels}
    ordinary = [i for i in range(header.num_channels) if i not in other]
    if not ordinary:
        raise DataError(
            f"{header.name} has no signal channels (it has {', '.join(header.labels)})",
            fix="leave it out",
            about=header.name,
        )
    return at_commonest_rate(ordinary, header.samples_per_record)


def record_layout(
    header: BdfHeader, channels: Sequence[int] | None = None, *, silent: Collection[int] = ()
) -> RecordLayout:
    """Describe how to decode some channels, by default the ordinary ones.

    Args:
        channels: channel numbers in the order wanted, all of one rate.
        silent: those of them that are decoded as zeros.
    """
    wanted = signal_channels(header) if channels is None else tuple(channels)
    samples = {header.samples_per_record[i] for i in wanted}
    assert len(samples) == 1
    assert len(set(wanted)) == len(wanted)
    gains = [
        (header.physical_max[i] - header.physical_min[i]) / (header.digital_max[i] - header.digital_min[i])
        for i in wanted
    ]
    offsets = [header.physical_min[i] - header.digital_min[i] * gain for i, gain in zip(wanted, gains, strict=True)]
    for place, i in enumerate(wanted):
        if i in silent:
            gains[place] = offsets[place] = 0.0
    return RecordLayout(
        width_bytes=header.width_bytes,
        record_bytes=header.record_bytes,
        samples_per_record=samples.pop(),
        runs=runs_of(header.samples_per_record, wanted),
        gain=shared(gains),
        offset=shared(offsets),
        unit=shared([VOLTS.get(header.units[i], 1.0) for i in wanted]),
    )


def records_span(header: BdfHeader, layout: RecordLayout, first_sample: int, num_samples: int) -> RecordsSpan:
    """Return the bytes of the whole records that hold ``num_samples`` samples from ``first_sample``.

    Raises:
        DataError: they do not all lie inside the recording.
    """
    per_record = layout.samples_per_record
    if first_sample < 0 or num_samples < 1 or first_sample + num_samples > header.num_records * per_record:
        raise DataError(
            f"samples {first_sample} to {first_sample + num_samples} lie outside {header.name}, which has "
            f"{header.num_records * per_record}",
            fix="take samples inside the recording",
            about=header.name,
        )
    first = first_sample // per_record
    last = (first_sample + num_samples - 1) // per_record
    return RecordsSpan(
        offset=header.header_bytes + first * layout.record_bytes,
        length_bytes=(last - first + 1) * layout.record_bytes,
        skip_samples=first_sample - first * per_record,
    )


def decode_records(data: bytes | memoryview, layout: RecordLayout) -> NDArray[np.float64]:
    """Decode whole records.

    Returns:
        Array (channels, times) in volts, or in the file's own unit where that is no voltage.

    Raises:
        DataError: the bytes are not a whole number of records.
    """
    stored = np.frombuffer(data, dtype=np.uint8)
    num_records, rest = divmod(stored.size, layout.record_bytes)
    if rest or not num_records:
        raise DataError(
            f"{stored.size} bytes are not whole records of {layout.record_bytes} bytes",
            fix="run `penstock list` again: the manifest does not fit the data",
        )
    gain, offset, unit = (_column(scale) for scale in (layout.gain, layout.offset, layout.unit))
    if layout.number:
        return _plain_numbers(data, layout, gain * unit)
    step = min(num_records, max(1, BLOCK_BYTES // layout.record_bytes))
    padded = np.zeros(step * layout.record_bytes + 1, dtype=np.uint8)
    numbers = np.empty((layout.num_channels, step, layout.samples_per_record), dtype=np.int32)
    decoded = np.empty((layout.num_channels, num_records, layout.samples_per_record), dtype=np.float64)
    for first in range(0, num_records, step):
        count = min(step, num_records - first)
        block = stored[first * layout.record_bytes : (first + count) * layout.record_bytes]
        padded[1 : block.size + 1] = block
        out = decoded[:, first : first + count]
        np.multiply(_stored_numbers(padded, layout, numbers[:, :count]), gain, out=out)
        out += offset
        out *= unit
    return decoded.reshape(layout.num_channels, num_records * layout.samples_per_record)


def _stored_numbers(padded: NDArray[np.uint8], layout: RecordLayout, out: NDArray[np.int32]) -> NDArray[np.int32]:
    """Fill ``out``, shape (channels, records, samples of a record), from records that follow one spare byte.

    A 24-bit number is the upper three bytes of the word that begins one byte before it, so an arithmetic
    shift by eight gives it with its sign; the spare byte keeps the first word inside the buffer.
    """
    width, samples = layout.width_bytes, layout.samples_per_record
    row = 0
    for before, count in layout.runs:
        words: NDArray[np.int32] = np.ndarray(
            (count, out.shape[1], samples),
            dtype="<i4" if width == 3 else "<i2",
            buffer=padded,
            offset=before * width + (0 if width == 3 else 1),
            strides=(samples * width, layout.record_bytes, width),
        )
        if width == 3:
            np.right_shift(words, 8, out=out[row : row + count])
        else:
            out[row : row + count] = words
        row += count
    return out


def _plain_numbers(data: bytes | memoryview, layout: RecordLayout, scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decode records of numbers that numpy has a type for, shape (channels, times)."""
    numbers = np.frombuffer(data, np.dtype(layout.number)).reshape(-1, layout.record_bytes // layout.width_bytes)
    samples, row = layout.samples_per_record, 0
    decoded = np.empty((layout.num_channels, len(numbers), samples), dtype=np.float64)
    scales = np.broadcast_to(scale, (layout.num_channels, 1, 1))
    for before, count in layout.runs:
        wanted = numbers[:, before : before + count * samples].reshape(-1, count, samples).transpose(1, 0, 2)
        with np.errstate(all="ignore"):  # floats may be anything
            np.multiply(wanted, scales[row : row + count], out=decoded[row : row + count])
        row += count
    return decoded.reshape(layout.num_channels, -1)


def runs_of(samples_per_record: Sequence[int], channels: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return neighbouring channels as (numbers of the record before them, how many channels)."""
    starts = np.cumsum([0, *samples_per_record])
    runs: list[list[int]] = []
    for previous, channel in zip((-2, *channels), channels, strict=False):
        if channel == previous + 1:
            runs[-1][1] += 1
        else:
            runs.append([int(starts[channel]), 1])
    return tuple((before, count) for before, count in runs)


def shared(values: list[float]) -> float | tuple[float, ...]:
    """Return a scale of channels, as one number where it is that of all."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def _column(scale: float | tuple[float, ...]) -> NDArray[np.float64]:
    return np.asarray(scale, dtype=np.float64).reshape(-1, 1, 1)
