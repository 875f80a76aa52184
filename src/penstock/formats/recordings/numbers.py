"""Where the numbers of a recording lie: in records, time by time, channel by channel, or packed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from penstock.errors import DataError
from penstock.formats.bdf import BdfHeader, RecordLayout, record_layout, records_span
from penstock.formats.bdf.records import runs_of, shared
from penstock.manifest import Span
from penstock.sources import ObjectInfo

__all__ = ["Columns", "Packed", "Piece", "Records", "Rows", "replace_layout"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Records:
    """Numbers of BDF and EDF."""

    info: ObjectInfo
    header: BdfHeader

    @property
    def is_whole(self) -> bool:
        """Whole records can be read."""
        return False

    def layout(self, channels: Sequence[int], silent: Collection[int] = ()) -> RecordLayout:
        """Describe how channels are decoded."""
        return record_layout(self.header, channels, silent=silent)

    def fitted(self, layout: RecordLayout, num_samples: int) -> RecordLayout:
        """Return the layout, which is that of any run."""
        return layout

    def cut(self, layout: RecordLayout, first_sample: int, num_samples: int) -> tuple[tuple[Span, ...], int]:
        """Return the whole records that hold the samples."""
        span = records_span(self.header, layout, first_sample, num_samples)
        return (self.info.span(span.offset, span.length_bytes),), span.skip_samples


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Frames that lie one behind the other in an object.

    Attributes:
        first_frame: 0-based, of the recording.
        offset: of its first byte in the object.
    """

    first_frame: int
    num_frames: int
    offset: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plain:
    """Numbers that numpy has a type for, all channels at one rate.

    Attributes:
        number: numpy's type of them.
        scales: volts, or what the unit is, of a stored 1, by channel.
    """

    info: ObjectInfo
    number: str
    scales: tuple[float, ...]
    num_frames: int

    @property
    def width_bytes(self) -> int:
        """Bytes of a number."""
        return int(np.dtype(self.number).itemsize)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a sample of each channel."""
        return self.width_bytes * len(self.scales)

    def layout(self, channels: Sequence[int], silent: Collection[int] = ()) -> RecordLayout:
        """Describe how channels are decoded."""
        return RecordLayout(
            width_bytes=self.width_bytes,
            record_bytes=self.frame_bytes,
            samples_per_record=1,
            runs=runs_of((1,) * len(self.scales), channels),
            gain=shared([0.0 if channel in silent else self.scales[channel] for channel in channels]),
            offset=0.0,
            unit=1.0,
            number=self.number,
        )

    def check(self, first_sample: int, num_samples: int) -> None:
        """Refuse samples outside the recording."""
        if first_sample < 0 or num_samples < 1 or first_sample + num_samples > self.num_frames:
            raise DataError(
                f"samples {first_sample} to {first_sample + num_samples} lie outside {self.info.key}, which has "
                f"{self.num_frames}",
                fix="take samples inside the recording",
                about=self.info.key,
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows(_Plain):
    """Numbers of one time lie together (multiplexed), in one piece or several."""

    pieces: tuple[Piece, ...]
    starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts", tuple(piece.first_frame for piece in self.pieces))

    @property
    def is_whole(self) -> bool:
        """Any time can be read."""
        return False

    def fitted(self, layout: RecordLayout, num_samples: int) -> RecordLayout:
        """Return the layout, which is that of any run."""
        return layout

    def cut(self, layout: RecordLayout, first_sample: int, num_samples: int) -> tuple[tuple[Span, ...], int]:
        """Return the bytes of the samples, and no others."""
        self.check(first_sample, num_samples)
        at, end, spans = first_sample, first_sample + num_samples, []
        number = int(np.searchsorted(self.starts, at, side="right")) - 1
        while at < end:
            piece = self.pieces[number]
            count = min(end, piece.first_frame + piece.num_frames) - at
            offset = piece.offset + (at - piece.first_frame) * self.frame_bytes
            spans.append(self.info.span(offset, count * self.frame_bytes))
            at, number = at + count, number + 1
        return tuple(spans), 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns(_Plain):
    """All numbers of one channel lie together (vectorized), from the object's first byte on."""

    @property
    def is_whole(self) -> bool:
        """Any time can be read, in a run a channel."""
        return False

    def fitted(self, layout: RecordLayout, num_samples: int) -> RecordLayout:
        """Return the layout of the wanted channels' runs, joined."""
        return replace_layout(layout, samples=num_samples)

    def cut(self, layout: RecordLayout, first_sample: int, num_samples: int) -> tuple[tuple[Span, ...], int]:
        """Return the bytes of the samples, a span a wanted channel."""
        self.check(first_sample, num_samples)
        channels = [before + number for before, count in layout.runs for number in range(count)]
        width = self.width_bytes
        return tuple(
            self.info.span((channel * self.num_frames + first_sample) * width, num_samples * width)
            for channel in channels
        ), 0


def replace_layout(layout: RecordLayout, *, samples: int) -> RecordLayout:
    """Return the layout of records of the wanted channels alone, each with so many samples."""
    return RecordLayout(
        width_bytes=layout.width_bytes,
        record_bytes=layout.width_bytes * layout.num_channels * samples,
        samples_per_record=samples,
        runs=((0, layout.num_channels),),
        gain=layout.gain,
        offset=layout.offset,
        unit=layout.unit,
        number=layout.number,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed(_Plain):
    """Numbers inside an object of which no part can be read alone.

    Attributes:
        packing: what the object is, ``mat5`` or ``hdf5``.
    """

    packing: str

    @property
    def is_whole(self) -> bool:
        """No part can be read without the whole."""
        return True

    def layout(self, channels: Sequence[int], silent: Collection[int] = ()) -> RecordLayout:
        """Describe how channels are decoded."""
        made = _Plain.layout(self, channels, silent)
        return RecordLayout(
            width_bytes=made.width_bytes,
            record_bytes=made.record_bytes,
            samples_per_record=1,
            runs=made.runs,
            gain=made.gain,
            offset=0.0,
            unit=1.0,
            number=made.number,
            packed="hdf5" if self.packing == "hdf5" else "mat5",
            num_records=self.num_frames,
        )

    def fitted(self, layout: RecordLayout, num_samples: int) -> RecordLayout:
        """Return the layout, which is that of any run."""
        return layout

    def cut(self, layout: RecordLayout, first_sample: int, num_samples: int) -> tuple[tuple[Span, ...], int]:
        """Return the whole object, and the samples before."""
        self.check(first_sample, num_samples)
        return (self.info.span(0, self.info.size_bytes),), first_sample
