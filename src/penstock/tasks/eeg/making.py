"""Samples of a dataset, made as its recordings are read."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import msgspec

from penstock.errors import DataError
from penstock.formats.recordings.model import run_around, why_no_run
from penstock.manifest import Extent, SkippedObject
from penstock.tasks.eeg.alike import open_alike
from penstock.tasks.eeg.bids import Dataset
from penstock.tasks.eeg.epochs import EpochDecode, Normalize
from penstock.tasks.eeg.reading import OpenRecording, Reader
from penstock.tasks.protocols import OwnSplits, SampleSet
from penstock.texts import counted

__all__ = ["EpochSpec", "Epochs", "Made", "make_sample_set"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochSpec:
    """Epochs of a task.

    Attributes:
        num_seconds: length of an epoch.
        crop_seconds: length of the part of it that the model is fed with.
    """

    num_seconds: float
    crop_seconds: float
    normalize: Normalize

    def of(self, opened: OpenRecording) -> Epochs:
        """Make the epochs of one recording.

        Raises:
            DataError: an epoch has no sample at the recording's rate.
        """
        num_times = round(self.num_seconds * opened.rate_hz)
        crop_times = round(self.crop_seconds * opened.rate_hz)
        if crop_times < 1:
            raise DataError(
                f"{self.crop_seconds:g} s hold no sample of {opened.recording.info.key} ({opened.rate_hz:g} Hz)",
                fix="take longer epochs",
                about=opened.recording.info.key,
            )
        return Epochs(
            opened=opened,
            num_times=num_times,
            crop_times=crop_times,
            decoders=_Decoders(opened, num_times=num_times, crop_times=crop_times, normalize=self.normalize),
        )


class _Decoders:
    """Tells how epochs of one recording are decoded, in JSON."""

    def __init__(self, opened: OpenRecording, *, num_times: int, crop_times: int, normalize: Normalize) -> None:
        self._opened = opened
        layout = opened.file.numbers.fitted(opened.layout, num_times)
        self._plain = EpochDecode(layout=layout, num_times=num_times, crop_times=crop_times, normalize=normalize)
        self._made: dict[int, str] = {}

    def of(self, num_read: int) -> str:
        """Return it for epochs that are made of so many samples."""
        if num_read not in self._made:
            self._made[num_read] = self._decode(num_read).encode()
        return self._made[num_read]

    def _decode(self, num_read: int) -> EpochDecode:
        signals = self._opened.signals
        if signals is None:
            return self._plain
        layout = self._opened.file.numbers.fitted(self._opened.layout, num_read)
        how = msgspec.structs.replace(signals.how, num_read=num_read)
        return msgspec.structs.replace(self._plain, layout=layout, signal=how)


@dataclass(frozen=True, kw_only=True, slots=True)
class Epochs:
    """Epochs of one recording.

    Attributes:
        num_times: samples of an epoch.
        crop_times: samples of the part that the model is fed with.
        decoders: tell how they are decoded.
    """

    opened: OpenRecording
    num_times: int
    crop_times: int
    decoders: _Decoders

    def first_sample(self, onset_seconds: float, shift: int) -> int | None:
        """Return the first sample of the epoch ``shift`` samples after an event; None where it is not all there."""
        return run_around(self.opened.stretches, onset_seconds, shift, self.num_times)

    def why_not(self, onset_seconds: float, shift: int) -> str:
        """Return why an epoch is not all there."""
        return why_no_run(self.opened.stretches, onset_seconds, shift, self.num_times)

    def sample(
        self, *, first_sample: int, key: str, group: str, target: float | None, crop: int | None = None
    ) -> Extent:
        """Make the extent of one sample, from ``first_sample`` on.

        Args:
            crop: where in it the part lies that is not trained on; None is the middle.
        """
        at, num_read = first_sample, self.num_times
        args: tuple[int, ...] = () if crop is None else (crop,)
        if self.opened.signals is not None:
            part = self.opened.signals.part(first_sample, self.num_times)
            at, num_read, args = part.first_read, part.num_read, (-1 if crop is None else crop, *part.args)
        spans, skip_samples = self.opened.file.numbers.cut(self.opened.layout, at, num_read)
        return Extent(
            key=key,
            group=group,
            spans=spans,
            codec=self.decoders.of(num_read),
            targets=(target,),
            args=((skip_samples, *args),),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What was made of one recording.

    Attributes:
        candidates: trials, events or windows that it has.
        left_out: how many of them gave no sample, by reason.
    """

    samples: Sequence[Extent]
    candidates: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def reasons(self) -> str:
        """The reasons as a phrase: ``2 without a response, 1 outside the recording``."""
        return _phrase(self.left_out)


MakeSamples = Callable[[Epochs], Made]


async def make_sample_set(
    reader: Reader,
    dataset: Dataset,
    *,
    spec: EpochSpec,
    make: MakeSamples,
    what: str,
    none_made: Callable[[str], DataError],
    with_events: bool,
    skip_bad: bool,
    classes: tuple[str, ...] = (),
    own_splits: OwnSplits | None = None,
    unlabelled: Container[str] = (),
    notes: Sequence[str] = (),
    num_channels: int = 0,
) -> SampleSet:
    """Begin to make samples: reads as far as the first one, which gives the shape.

    Args:
        what: what samples are made of, in the plural (``trials``).
        none_made: gives the error for a dataset without any sample, from a phrase that counts why.
        own_splits: that recordings are of.
        unlabelled: names of the recordings whose samples' targets are not told.
        notes: what a person should know of it.
        num_channels: of the recordings that are taken; 0 takes those that are like the first one.

    Raises:
        DataError: a recording cannot be used, or no sample could be made.
        SourceError: a recording could not be read.
    """
    skipped = dataset.skipped
    opened = open_alike(
        reader,
        dataset.recordings,
        with_events=with_events,
        skip_bad=skip_bad,
        skipped=skipped,
        num_channels=num_channels,
    )
    shape: list[tuple[int, int]] = []
    rows = _rows(opened, spec, _hiding(make, unlabelled), what, none_made, skipped, shape)
    first = await anext(rows)
    return SampleSet(
        rows=_with_first(first, rows),
        shape=shape[0],
        classes=classes,
        skipped=skipped,
        own_splits=own_splits,
        notes=list(notes),
    )


def _hiding(make: MakeSamples, unlabelled: Container[str]) -> MakeSamples:
    """Return what makes samples without targets of the recordings that are named."""

    def made(epochs: Epochs) -> Made:
        found = make(epochs)
        if epochs.opened.recording.name not in unlabelled:
            return found
        return replace(found, samples=[msgspec.structs.replace(each, targets=(None,)) for each in found.samples])

    return made


async def _rows(
    recordings: AsyncGenerator[OpenRecording, None],
    spec: EpochSpec,
    make: MakeSamples,
    what: str,
    none_made: Callable[[str], DataError],
    skipped: list[SkippedObject],
    shape: list[tuple[int, int]],
) -> AsyncGenerator[Extent, None]:
    left_out: Counter[str] = Counter()
    num_samples = num_candidates = num_recordings = 0
    async with aclosing(recordings):
        async for opened in recordings:
            epochs = spec.of(opened)
            shape.append((len(opened.montage.labels), epochs.crop_times))
            made = make(epochs)
            num_recordings += 1
            num_candidates += made.candidates
            num_samples += len(made.samples)
            left_out.update(made.left_out)
            if not made.samples:
                why = f"{made.candidates} {what}" + (f": {made.reasons}" if made.reasons else "")
                skipped.append(SkippedObject(object=opened.recording.info.key, reason=f"no sample in {why}"))
            for sample in _together(made.samples, opened):
                yield sample
    told = _phrase(left_out)
    if not num_samples:
        raise none_made(
            f"{counted(num_recordings, 'recording')}, {num_candidates} {what}" + (f": {told}" if told else "")
        )
    if told:
        number = sum(left_out.values())
        skipped.append(SkippedObject(object=f"{number} of {num_candidates} {what}", reason=told))
        _log.info("left out %d of %d %s (%s)", number, num_candidates, what, told)


def _together(samples: Sequence[Extent], opened: OpenRecording) -> Sequence[Extent]:
    """Return the samples as one extent where the recording can be read as a whole alone: once, and not for each."""
    if not opened.file.numbers.is_whole or len(samples) < 2:
        return samples
    alike: dict[str, list[Extent]] = {}
    for sample in samples:
        alike.setdefault(sample.codec, []).append(sample)
    return [
        Extent(
            key=opened.recording.name if number == 0 else f"{opened.recording.name}/part-{number}",
            group=each[0].group,
            spans=each[0].spans,
            codec=codec,
            num_samples=len(each),
            keys=tuple(sample.key for sample in each),
            targets=tuple(sample.targets[0] for sample in each),
            args=tuple(sample.args[0] for sample in each),
            decoded_bytes=opened.layout.num_records * opened.layout.record_bytes,
        )
        for number, (codec, each) in enumerate(alike.items())
    ]


async def _with_first(first: Extent, rest: AsyncGenerator[Extent, None]) -> AsyncIterator[Extent]:
    async with aclosing(rest):
        yield first
        async for sample in rest:
            yield sample


def _phrase(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
