"""Events of a recording, and the trials of the contrast change detection task.

A trial goes from one ``contrastTrial_start`` to the next, so the last start of a recording begins none. Its
stimulus is the first target in it, its response the first button press from the stimulus on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from penstock.tasks.eeg.tables import number, parse_table

__all__ = ["Event", "Trial", "find_trials", "parse_events"]

TRIAL_START: Final = "contrastTrial_start"
STIMULI: Final = frozenset({"left_target", "right_target"})
RESPONSE_ENDING: Final = "_buttonPress"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened ``onset_seconds`` after the recording's start."""

    onset_seconds: float
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One trial; None where it has no stimulus or no response.

    Attributes:
        number: place among the recording's trials, from 0.
        stimulus_seconds: time of the stimulus after the recording's start.
        response_seconds: time of the response after the recording's start.
    """

    number: int
    stimulus_seconds: float | None
    response_seconds: float | None


def parse_events(data: bytes, *, name: str) -> list[Event]:
    """Read an events table in order of onset; rows without an onset or a value are left out.

    Raises:
        DataError: it is no table, or lacks the column ``onset`` or ``value``.
    """
    rows = parse_table(data, name=name, required=("onset", "value"))
    events = [
        Event(onset_seconds=onset, value=row["value"])
        for row in rows
        if (onset := number(row["onset"])) is not None and row["value"] not in ("", "n/a")
    ]
    return sorted(events, key=lambda event: event.onset_seconds)


def find_trials(events: Sequence[Event]) -> list[Trial]:
    """Give the trials of a recording, in order.

    Args:
        events: sorted by onset.
    """
    onsets = [event.onset_seconds for event in events]
    starts = [event.onset_seconds for event in events if event.value == TRIAL_START]
    return [
        _trial(i, events[bisect_left(onsets, start) : bisect_left(onsets, end)])
        for i, (start, end) in enumerate(pairwise(starts))
    ]


def _trial(i: int, events: Sequence[Event]) -> Trial:
    stimulus = next((event.onset_seconds for event in events if event.value in STIMULI), None)
    response = next(
        (
            event.onset_seconds
            for event in events
            if stimulus is not None and event.onset_seconds >= stimulus and event.value.endswith(RESPONSE_ENDING)
        ),
        None,
    )
    return Trial(number=i, stimulus_seconds=stimulus, response_seconds=response)
