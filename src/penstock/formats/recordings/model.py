"""A recording of whatever kind: its channels, its time, and where its numbers lie."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from penstock.errors import DataError
from penstock.formats.bdf import RecordLayout
from penstock.formats.bdf.rates import at_commonest_rate
from penstock.manifest import Span

__all__ = [
    "Annotation",
    "Numbers",
    "Recording",
    "Segment",
    "Stretch",
    "gap_note",
    "run_around",
    "why_no_run",
    "with_gaps",
]

_MOST_SECONDS = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """What a recording itself tells of a time.

    Attributes:
        onset_seconds: after the recording's first sample.
    """

    onset_seconds: float
    duration_seconds: float
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """Frames that follow on each other in time: between two segments there is a gap.

    Attributes:
        first_frame: 0-based.
        start_seconds: of its first sample, after the recording's first one.
    """

    first_frame: int
    num_frames: int
    start_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A segment in samples of one rate."""

    first_sample: int
    num_samples: int
    start_seconds: float
    rate_hz: float

    def at(self, seconds: float) -> int:
        """Return the sample nearest to a time after the recording's first sample; it may lie outside."""
        return self.first_sample + round((seconds - self.start_seconds) * self.rate_hz)

    def has(self, first_sample: int, num_samples: int) -> bool:
        """Return whether a run of samples lies inside."""
        return self.first_sample <= first_sample and first_sample + num_samples <= self.first_sample + self.num_samples


def run_around(stretches: Sequence[Stretch], onset_seconds: float, shift: int, num_samples: int) -> int | None:
    """Return the first sample of a run that begins ``shift`` samples after a time; None where it is not all there."""
    if abs(onset_seconds) > _MOST_SECONDS:
        return None
    reach = onset_seconds + (shift + 0.5) / stretches[0].rate_hz
    number = bisect_right(stretches, reach, key=lambda stretch: stretch.start_seconds) - 1
    first = stretches[max(number, 0)].at(onset_seconds) + shift
    return first if stretches[max(number, 0)].has(first, num_samples) else None


def why_no_run(stretches: Sequence[Stretch], onset_seconds: float, shift: int, num_samples: int) -> str:
    """Return why such a run is not all there."""
    last = stretches[-1]
    if abs(onset_seconds) > _MOST_SECONDS:
        return "outside the recording"
    is_after_begin = round(onset_seconds * last.rate_hz) + shift >= 0
    end = last.at(onset_seconds) + shift + num_samples
    is_inside = is_after_begin and end <= last.first_sample + last.num_samples
    return "across a gap" if is_inside else "outside the recording"


class Numbers(Protocol):
    """Where a recording's numbers lie, and how they are decoded."""

    @property
    def is_whole(self) -> bool:
        """Whether no part can be read without the whole object."""
        ...

    def layout(self, channels: Sequence[int], silent: Collection[int] = ()) -> RecordLayout:
        """Describe how some channels are decoded, all of one rate, in the order wanted, the silent ones as zeros."""
        ...

    def fitted(self, layout: RecordLayout, num_samples: int) -> RecordLayout:
        """Return the layout of runs of so many samples, which is what ``cut`` gives."""
        ...

    def cut(self, layout: RecordLayout, first_sample: int, num_samples: int) -> tuple[tuple[Span, ...], int]:
        """Return where a run of samples lies, and how many decoded samples come before it.

        Raises:
            DataError: it does not all lie inside the recording.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """What the headers of a recording say; what is told of each channel has an entry a channel, in file order.

    A frame is what repeats in time: of BDF and EDF a record, of the others one sample of each channel.

    Attributes:
        name: key of the object that was opened, for messages.
        form: what kind of file it is, like ``BrainVision``.
        units: physical dimension as written; ``V`` where the form has volts.
        kinds: type of channel in capitals, like ``EOG``; empty where the file does not say.
        text: channels that hold text, bits of triggers and states, and no signal.
        rates_hz: samples per second.
        samples_per_frame: numbers that a channel has in each frame.
        segments: in order; one where there is no gap.
        bad: labels that the file itself marks bad.
        annotations: in the file's order; those of BDF and EDF are read apart.
        note: on what is not read, or on gaps; empty where there is nothing to tell.
    """

    name: str
    form: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    kinds: tuple[str, ...]
    text: frozenset[int]
    rates_hz: tuple[float, ...]
    samples_per_frame: tuple[int, ...]
    num_frames: int
    segments: tuple[Segment, ...]
    numbers: Numbers
    bad: tuple[str, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    note: str = ""

    @property
    def num_channels(self) -> int:
        """Channels in the file."""
        return len(self.labels)

    @property
    def seconds(self) -> float:
        """Time that is recorded, gaps apart."""
        return self.num_frames * self.samples_per_frame[0] / self.rates_hz[0]

    def stretches(self, channel: int) -> tuple[Stretch, ...]:
        """Return the segments in samples of a channel."""
        each = self.samples_per_frame[channel]
        return tuple(
            Stretch(
                first_sample=segment.first_frame * each,
                num_samples=segment.num_frames * each,
                start_seconds=segment.start_seconds,
                rate_hz=self.rates_hz[channel],
            )
            for segment in self.segments
        )

    def signals(self) -> tuple[int, ...]:
        """Return the channels that are signals, all at the commonest rate; of two equally common ones the higher.

        Raises:
            DataError: there are none.
        """
        ordinary = [i for i in range(self.num_channels) if i not in self.text]
        if not ordinary:
            raise DataError(
                f"{self.name} has no signal channels (it has {', '.join(self.labels[:8])})",
                fix="leave it out",
                about=self.name,
            )
        return at_commonest_rate(ordinary, self.rates_hz)


def gap_note(segments: Sequence[Segment]) -> str:
    """Return what is told of a recording's gaps, empty where it has none."""
    gaps = len(segments) - 1
    return f"it has {gaps} gap{'s' * (gaps > 1)} in time, which no sample lies across" if gaps > 0 else ""


def with_gaps(recording: Recording, segments: Sequence[Segment]) -> Recording:
    """Return a recording with other segments, told of."""
    note = "; ".join(part for part in (recording.note, gap_note(segments)) if part)
    return replace(recording, segments=tuple(segments), note=note)
