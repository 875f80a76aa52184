"""The format of recordings: windows of time, or epochs around events, of EDF, BDF, BrainVision, EEGLAB and FIF."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.bdf import RecordLayout
from penstock.formats.codec import Codec
from penstock.formats.options import names_of, size_of
from penstock.formats.protocols import Found, Store
from penstock.formats.recordings.decoding import decode_runs
from penstock.formats.recordings.model import Annotation, Recording, Stretch, run_around, why_no_run
from penstock.formats.recordings.numbers import Columns, replace_layout
from penstock.formats.recordings.opening import COMPANION_ENDINGS, ending_of, open_recording
from penstock.formats.whole import folder_of
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import ObjectInfo
from penstock.texts import counted, did_you_mean
from penstock.units import GIB, format_bytes

__all__ = ["Recordings"]

_DTYPES: Final = ("float32", "float64")
_SHOWN: Final = 20
_MICRO: Final = 1_000_000
_MOST_SECONDS: Final = 1e9


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the extents of a recording share; each sample's ``args`` are its number of samples, those before it, the
    millionths of a second that it begins after the recording's begin, and the number of its event.

    Attributes:
        is_vectorized: its extents hold the wanted channels one behind the other.
        events: texts of them, where samples are made of events.
    """

    kind: ClassVar[str] = "recordings"

    layout: RecordLayout
    is_vectorized: bool = False
    events: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cut:
    """A sample to be."""

    first_sample: int
    num_samples: int
    start_seconds: float
    name: str
    event: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Recordings:
    """The format of recordings; values are dictionaries.

    ``signal`` is an array (channels, samples) in volts, or the channel's own unit where that is no voltage; ``start``
    the seconds from the recording's first sample to the window's; ``event`` the event's text, where there are some.

    Attributes:
        seconds: of a window; None takes each recording whole, or its parts between gaps.
        stride: seconds from the start of a window to the next; those of a window unless given.
        events: texts of annotations, or patterns like ``"Stimulus/*"``: a window is taken around each.
        tmin: seconds from an event to the start of its window.
        tmax: seconds from an event to the end of its window.
        channels: names, in the order wanted; None takes those at the commonest rate, no annotations nor triggers.
        dtype: "float32" or "float64".
        memory: that a window, or a recording that can be read as a whole alone, may take, like ``"2Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    usual_split: ClassVar[str] = "folder"
    """A window's key is its recording's, a slash and its name."""

    seconds: float | None = None
    stride: float | None = None
    events: str | Sequence[str] | None = None
    tmin: float = 0.0
    tmax: float = 1.0
    channels: str | Sequence[str] | None = None
    dtype: Literal["float32", "float64"] = "float32"
    memory: str | int = 2 * GIB

    def __post_init__(self) -> None:
        for option in ("seconds", "stride", "tmin", "tmax"):
            _check_seconds(option, getattr(self, option), above=0 if option in ("seconds", "stride") else None)
        if self.stride is not None and self.seconds is None:
            raise ConfigError(f"stride {self.stride!r} without seconds", fix="say how many seconds a window has")
        if self.events is not None and self.seconds is not None:
            raise ConfigError(
                f"both seconds {self.seconds!r} and events",
                fix="give seconds for windows, or events with tmin and tmax",
            )
        if self.events is not None and self.tmin >= self.tmax:
            raise ConfigError(f"tmin {self.tmin:g} is not before tmax {self.tmax:g}", fix="give a later tmax")
        if self.dtype not in _DTYPES:
            raise ConfigError(f"dtype {self.dtype!r}", fix=f"choose one of: {', '.join(_DTYPES)}")
        object.__setattr__(self, "events", names_of("events", self.events))
        object.__setattr__(self, "channels", names_of("channels", self.channels))
        object.__setattr__(self, "memory", size_of("memory", self.memory))

    async def index(self, source: Store, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return the windows of a recording; its header is read, and what else it takes to know its times."""
        if header := COMPANION_ENDINGS.get(ending_of(info.key)):
            yield SkippedObject(object=info.key, reason=f"is part of a recording, and is read by its {header}")
            return
        recording = await open_recording(
            source,
            info,
            find=source.find,
            memory_bytes=size_of("memory", self.memory),
            with_annotations=self.events is not None,
        )
        channels = self._chosen(recording)
        stretches = recording.stretches(channels[0])
        wanted = _wanted_events(recording, self.events)
        left_out = Counter[str]()
        cuts = list(self._events(stretches, wanted, left_out) if self.events is not None else self._windows(stretches))
        self._check_size(recording, channels, cuts)
        told = _left_out(recording, self.events, wanted, left_out)
        if not cuts and self.events is None:
            longest = max(stretch.num_samples / stretch.rate_hz for stretch in stretches)
            told = f"is shorter than a window: {longest:g} s, not {self.seconds:g}"
        if reason := "; ".join(part for part in (told, recording.note) if part):
            yield SkippedObject(object=info.key, reason=reason)
        for extent in _extents(recording, channels, cuts, wanted, info):
            yield extent

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return dictionaries."""
        told = _Codec.read(codec)
        found = []
        by_length: dict[int, list[int]] = {}
        for number in numbers.tolist():
            by_length.setdefault(about.args[number][0], []).append(number)
        signals: dict[int, NDArray[Any]] = {}
        for length, some in by_length.items():
            layout = replace_layout(told.layout, samples=length) if told.is_vectorized else told.layout
            firsts = [about.args[number][1] for number in some]
            for number, run in zip(some, decode_runs(data, layout, firsts, length, name=about.key), strict=True):
                with np.errstate(over="ignore"):  # beyond float32 it is infinite
                    signals[number] = np.ascontiguousarray(run, dtype=self.dtype)
        for number in numbers.tolist():
            _, _, start, event = about.args[number]
            value: dict[str, Any] = {"signal": signals[number], "start": start / _MICRO}
            if told.events:
                value["event"] = told.events[event]
            found.append(value)
        return found

    def _chosen(self, recording: Recording) -> tuple[int, ...]:
        if self.channels is None:
            return recording.signals()
        chosen = []
        for name in self.channels:
            places = [i for i, label in enumerate(recording.labels) if label == name]
            if not places:
                known = list(recording.labels)
                raise ConfigError(
                    f"{recording.name} has no channel {name!r}",
                    fix=f"{did_you_mean(name, known)}its channels are: {', '.join(known[:_SHOWN])}",
                    about=recording.name,
                )
            if len(places) > 1:
                raise DataError(
                    f"{recording.name} has {len(places)} channels {name!r}",
                    fix="name others, or leave the recording out",
                    about=recording.name,
                )
            if name.endswith(" Annotations") and places[0] in recording.text:
                raise ConfigError(
                    f"the channel {name!r} of {recording.name} holds text",
                    fix="take its annotations by events",
                    about=recording.name,
                )
            chosen.append(places[0])
        if len(set(chosen)) < len(chosen):
            raise ConfigError("channels names one twice", fix="name each channel once")
        rates = {recording.rates_hz[i] for i in chosen}
        if len(rates) > 1:
            told = ", ".join(f"{recording.labels[i]} {recording.rates_hz[i]:g} Hz" for i in chosen[:_SHOWN])
            raise ConfigError(
                f"the channels of {recording.name} have several rates ({told})",
                fix="name channels of one rate",
                about=recording.name,
            )
        return tuple(chosen)

    def _windows(self, stretches: Sequence[Stretch]) -> Iterator[_Cut]:
        number = 0
        for stretch in stretches:
            count = stretch.num_samples if self.seconds is None else round(self.seconds * stretch.rate_hz)
            stride = self.stride if self.stride is not None else self.seconds
            step = count if stride is None else max(1, round(stride * stretch.rate_hz))
            if count < 1:
                raise DataError(
                    f"{self.seconds} s hold no sample at {stretch.rate_hz:g} Hz", fix="give longer windows by seconds"
                )
            for at in range(0, stretch.num_samples - count + 1, step):
                yield _Cut(
                    first_sample=stretch.first_sample + at,
                    num_samples=count,
                    start_seconds=stretch.start_seconds + at / stretch.rate_hz,
                    name=f"{number:06d}",
                )
                number += 1

    def _events(
        self, stretches: Sequence[Stretch], wanted: Sequence[Annotation], left_out: Counter[str]
    ) -> Iterator[_Cut]:
        rate = stretches[0].rate_hz
        shift, count = round(self.tmin * rate), round((self.tmax - self.tmin) * rate)
        if count < 1:
            raise DataError(f"tmin to tmax hold no sample at {rate:g} Hz", fix="give a later tmax")
        names = {text: number for number, text in enumerate(_texts(wanted))}
        for number, event in enumerate(wanted):
            first = run_around(stretches, event.onset_seconds, shift, count)
            if first is None:
                left_out[why_no_run(stretches, event.onset_seconds, shift, count)] += 1
                continue
            inside = stretches[bisect_right(stretches, first, key=lambda each: each.first_sample) - 1]
            yield _Cut(
                first_sample=first,
                num_samples=count,
                start_seconds=inside.start_seconds + (first - inside.first_sample) / rate,
                name=f"event-{number:06d}",
                event=names[event.text],
            )

    def _check_size(self, recording: Recording, channels: Sequence[int], cuts: Sequence[_Cut]) -> None:
        most = max((cut.num_samples for cut in cuts), default=0) * len(channels) * 8
        if most > size_of("memory", self.memory):
            raise DataError(
                f"a window of {recording.name} takes {format_bytes(most)}, more than "
                f"memory={format_bytes(size_of('memory', self.memory))}",
                fix="give shorter windows by seconds, or more memory",
                about=recording.name,
            )


def _extents(
    recording: Recording,
    channels: Sequence[int],
    cuts: Sequence[_Cut],
    wanted: Sequence[Annotation],
    info: ObjectInfo,
) -> Iterator[Extent]:
    """Return an extent for each window; or one for all where no part of the recording can be read alone."""
    layout = recording.numbers.layout(channels)
    codec = _Codec(layout=layout, is_vectorized=isinstance(recording.numbers, Columns), events=_texts(wanted)).encode()
    group = folder_of(info.key)
    parts = [recording.numbers.cut(layout, cut.first_sample, cut.num_samples) for cut in cuts]
    args = tuple(
        (cut.num_samples, skip, round(cut.start_seconds * _MICRO), cut.event)
        for cut, (_, skip) in zip(cuts, parts, strict=True)
    )
    keys = tuple(f"{info.key}/{cut.name}" for cut in cuts)
    if recording.numbers.is_whole and cuts:
        yield Extent(
            key=info.key,
            group=group,
            spans=parts[0][0],
            codec=codec,
            num_samples=len(cuts),
            keys=keys,
            args=args,
            decoded_bytes=layout.num_records * layout.record_bytes,
        )
        return
    for key, (spans, _), each in zip(keys, parts, args, strict=True):
        yield Extent(key=key, group=group, spans=spans, codec=codec, args=(each,))


def _wanted_events(recording: Recording, patterns: str | Sequence[str] | None) -> list[Annotation]:
    """Return the events that fit, by onset; every one is one text or pattern's at most."""
    asked = (patterns,) if isinstance(patterns, str) else tuple(patterns or ())
    return sorted(
        (
            each
            for each in recording.annotations
            if each.text in asked or any(fnmatchcase(each.text, pattern) for pattern in asked)
        ),
        key=lambda each: each.onset_seconds,
    )


def _texts(wanted: Sequence[Annotation]) -> tuple[str, ...]:
    return tuple(sorted({each.text for each in wanted}))


def _left_out(
    recording: Recording, asked: str | Sequence[str] | None, wanted: Sequence[Annotation], left_out: Counter[str]
) -> str:
    if asked is not None and not wanted:
        seen = ", ".join(list(dict.fromkeys(each.text for each in recording.annotations))[:_SHOWN]) or "none"
        return f"no event is like {', '.join(asked)} (there are: {seen})"
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
    return f"{left_out.total()} of {counted(len(wanted), 'event')}: {told}" if told else ""


def _check_seconds(option: str, value: Any, *, above: float | None) -> None:
    if value is None and option in ("seconds", "stride"):
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST_SECONDS
    if not is_number or (above is not None and value <= above):
        raise ConfigError(
            f"{option} {value!r}", fix="give seconds as a number" + (" above 0" if above is not None else "")
        )
