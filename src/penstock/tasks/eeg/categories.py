"""Which event was it: the kind of an event from the EEG around it, for any recording with an events table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError, NoResponses
from penstock.manifest import SkippedObject
from penstock.records import MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.eeg.base import EegTask
from penstock.tasks.eeg.bids import Dataset, Recording
from penstock.tasks.eeg.choosing import CHOOSING, choose_recordings
from penstock.tasks.eeg.events import EVENT_COLUMNS, choose_column, events_of, filled_columns, plain_value
from penstock.tasks.eeg.making import Epochs, EpochSpec, Made, make_sample_set
from penstock.tasks.eeg.options import EVENT_COLUMN, NORMALIZE, Options, bids_task, positive
from penstock.tasks.eeg.reading import Reader, take_good
from penstock.tasks.eeg.signal_options import SIGNALS, making_of
from penstock.tasks.metrics import classification_metrics
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, TaskOption
from penstock.texts import counted

__all__ = ["EegEvents"]

MIN_EVENTS: Final = 5

_OPTIONS: Final = (
    bids_task(None),
    EVENT_COLUMN,
    TaskOption(
        name="event_values",
        kind=str,
        default=None,
        help=f"values of events to tell apart, joined by commas (default: each seen {MIN_EVENTS} times or more)",
        metavar="VALUES",
    ),
    TaskOption(
        name="epoch_start",
        kind=float,
        default=-0.1,
        help="seconds after the event at which a sample begins",
        metavar="SECONDS",
    ),
    positive("epoch_seconds", 0.7, "seconds that a sample lasts"),
    NORMALIZE,
    *SIGNALS,
    *CHOOSING,
)


class EegEvents(EegTask):
    """Tells events apart by their ``value`` in the events table, or by another column."""

    name = "eeg-events"
    score = "balanced_accuracy"
    options = _OPTIONS

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each event of the wanted values whose epoch lies inside its recording.

        Raises:
            SourceError: the source could not be listed or read, or nothing lies there.
            DataError: a recording cannot be used, or fewer than two values of events are left.
        """
        chosen = Options(self.options, options, task=self.name)
        seconds = chosen.seconds("epoch_seconds", above=0)
        spec = EpochSpec(num_seconds=seconds, crop_seconds=seconds, normalize=chosen.normalize())
        start_seconds = chosen.seconds("epoch_start")
        making = making_of(chosen)
        choice = await choose_recordings(source, limits=limits, bids_tasks=chosen.names("bids_task"), chosen=chosen)
        found = choice.dataset
        dataset = found.first(limits.max_files)
        skip_bad = limits.skip_bad
        asked = chosen.text("event_column")
        column, counts = await _survey(Reader(source), dataset, asked, skip_bad=skip_bad)
        named = tuple(dict.fromkeys(map(plain_value, chosen.names("event_values"))))
        classes = _classes(counts, named)
        dataset.skipped.extend(_named_values(counts, classes, asked=bool(named)))

        def make(epochs: Epochs) -> Made:
            return _event_samples(epochs, start_seconds, classes)

        return await make_sample_set(
            Reader(source, event_column=column, making=making),
            dataset,
            spec=spec,
            make=make,
            what="events",
            none_made=_no_events,
            with_events=True,
            skip_bad=skip_bad,
            classes=classes,
            own_splits=choice.own_splits,
            unlabelled=choice.unlabelled,
            notes=choice.notes,
            num_channels=chosen.whole("num_channels", low=0, high=100_000),
        )

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score logits by event; see ``classification_metrics``."""
        return classification_metrics(truth, predicted)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """What an events table holds: its columns that hold something, and how often each value comes, by column."""

    columns: tuple[str, ...]
    counts: Mapping[str, Counter[str]]


async def _survey(reader: Reader, dataset: Dataset, asked: str | None, *, skip_bad: bool) -> tuple[str, Counter[str]]:
    """Read all events once, to know the column that tells them apart and the classes before the first sample.

    A recording whose events cannot be read is passed over here where bad ones are to be left out: it is
    named when its samples should be made.
    """

    async def read(recording: Recording) -> tuple[str, _Seen]:
        table = await reader.events_table(recording)
        columns = filled_columns(table)
        wanted = (asked,) if asked else tuple(c for c in EVENT_COLUMNS if c in columns)
        counts = {c: Counter(event.value for event in events_of(table, c)) for c in wanted}
        return table.name, _Seen(columns=columns if table.rows else EVENT_COLUMNS, counts=counts)

    passed_over: list[SkippedObject] | None = [] if skip_bad else None
    tables: dict[str, tuple[str, ...]] = {}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    async for name, seen in take_good(dataset.recordings, read, key_of=_key, skipped=passed_over):
        tables[name] = seen.columns
        for column, found in seen.counts.items():
            counts[column].update(found)
    if asked:
        return asked, counts[asked]
    if skip_bad:
        column = max(EVENT_COLUMNS, key=lambda c: sum(c in columns for columns in tables.values()))
    else:
        column = choose_column(tables)
    return column, counts[column]


def _key(recording: Recording) -> str:
    return recording.info.key


def _classes(counts: Counter[str], asked: Sequence[str]) -> tuple[str, ...]:
    missing = [value for value in asked if not counts[value]]
    if missing:
        raise DataError(
            f"no event has the value {', '.join(missing)} (there are {', '.join(sorted(counts, key=_order))})",
            fix="choose others with --option event-values",
        )
    chosen = asked or [value for value, count in counts.items() if count >= MIN_EVENTS]
    if len(set(chosen)) < 2:
        raise DataError(
            f"{len(set(chosen))} values of events are left to tell apart (seen: "
            f"{', '.join(f'{value} x{counts[value]}' for value in sorted(counts, key=_order)) or 'no event'})",
            fix=f"take more recordings ({MIN_EVENTS} of each are needed), or name values with --option event-values",
        )
    return tuple(sorted(set(chosen), key=_order))


def _order(value: str) -> tuple[bool, int, str]:
    return (not value.isdecimal(), int(value) if value.isdecimal() else 0, value)


def _named_values(counts: Counter[str], classes: Sequence[str], *, asked: bool) -> list[SkippedObject]:
    rare, other = f"fewer than {MIN_EVENTS} of them", "not one of the values told apart"
    return [
        SkippedObject(
            object=f"{counted(counts[value], 'event')} of value {value}",
            reason=rare if counts[value] < MIN_EVENTS and not asked else other,
        )
        for value in sorted(counts, key=_order)
        if value not in classes
    ]


def _event_samples(epochs: Epochs, start_seconds: float, classes: Sequence[str]) -> Made:
    opened = epochs.opened
    wanted = [(i, event) for i, event in enumerate(opened.events) if event.value in classes]
    shift = round(start_seconds * opened.rate_hz)
    samples, left_out = [], Counter[str]()
    for i, event in wanted:
        first = epochs.first_sample(event.onset_seconds, shift)
        if first is None:
            left_out[epochs.why_not(event.onset_seconds, shift)] += 1
            continue
        sample = epochs.sample(
            first_sample=first,
            key=f"{opened.recording.name}/event-{i:04d}",
            group=opened.recording.subject,
            target=float(classes.index(event.value)),
        )
        samples.append(sample)
    return Made(samples=samples, candidates=len(wanted), left_out=left_out)


def _no_events(what: str) -> DataError:
    return NoResponses(
        f"no event has an epoch inside its recording ({what})",
        fix="check the options epoch-start and epoch-seconds",
    )
