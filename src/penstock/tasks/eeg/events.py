"""Events of a recording, and the trials of the contrast change detection task.

A trial goes from one ``contrastTrial_start`` to the next, so the last start of a recording begins none. Its
stimulus is the first target in it, its response the first button press from the stimulus on.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from penstock.errors import DataError
from penstock.formats.tables import Table, is_missing, read_table

__all__ = [
    "EVENT_COLUMNS",
    "RESPONSES",
    "Event",
    "Responses",
    "Trial",
    "choose_column",
    "events_of",
    "filled_columns",
    "find_trials",
    "plain_value",
    "read_events_table",
]

TRIAL_START: Final = "contrastTrial_start"
STIMULI: Final = frozenset({"left_target", "right_target"})
RESPONSE_ENDING: Final = "_buttonPress"
Responses = Literal["any", "left-right"]
RESPONSES: Final[tuple[Responses, ...]] = ("any", "left-right")
_LEFT_RIGHT: Final = frozenset({f"left{RESPONSE_ENDING}", f"right{RESPONSE_ENDING}"})
_WHOLE: Final = re.compile(r"[+-]?[0-9]+\.0*")
EVENT_COLUMNS: Final = ("value", "trial_type")


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


def read_events_table(data: bytes, *, name: str) -> Table:
    """Read an events table.

    Raises:
        DataError: it is no table, or lacks the column ``onset``.
    """
    table = read_table(data, name=name)
    table.require(("onset",), fix="check that it is a tab-separated BIDS table of events")
    return table


def choose_column(tables: Mapping[str, Collection[str]]) -> str:
    """Choose the column that tells events apart: ``value``, or ``trial_type`` where not every table has it.

    Args:
        tables: the columns that hold something, by the table's name.

    Raises:
        DataError: no such column is in every table.
    """
    for column in EVENT_COLUMNS:
        if all(column in columns for columns in tables.values()):
            return column
    name, columns = next((name, have) for name, have in tables.items() if EVENT_COLUMNS[0] not in have)
    have = ", ".join(column for column in columns if column not in ("onset", "duration", "sample")) or "no other"
    raise DataError(
        f"{name} tells of no event in a column {' or '.join(EVENT_COLUMNS)}"
        f"{'' if len(tables) == 1 else ', or others do in another one'} (its columns with values: {have})",
        fix="choose the column with --option event-column=NAME",
        about=name,
    )


def filled_columns(table: Table) -> tuple[str, ...]:
    """Return the columns that hold a value in any row; all of them where there are no rows."""
    if not table.rows:
        return table.columns
    return tuple(c for c in table.columns if c and any(not is_missing(row[c]) for row in table.rows))


def events_of(table: Table, column: str | None) -> list[Event]:
    """Return the events of a table in order of onset; rows without an onset or a value are left out.

    Args:
        column: that tells them apart; None takes ``value``, or ``trial_type`` where it holds none.

    Raises:
        DataError: it lacks the column, or an onset is no number.
    """
    column = column or choose_column({table.name: filled_columns(table) if table.rows else EVENT_COLUMNS})
    if table.rows:
        table.require((column,), fix="choose another column with --option event-column=NAME")
    events = [
        Event(onset_seconds=onset, value=plain_value(row[column]))
        for row in table.rows
        if (onset := row.number("onset")) is not None and not is_missing(row[column])
    ]
    return sorted(events, key=lambda event: event.onset_seconds)


def plain_value(text: str) -> str:
    """Return an event's value as one way of writing it: whole numbers without ``.0``.

    A column of whole numbers becomes one of ``1.0`` wherever a program lacks one of them, so that tables of one dataset
    write the same value in both ways.
    """
    return text.partition(".")[0] if _WHOLE.fullmatch(text) else text


def find_trials(events: Sequence[Event], responses: Responses = "any") -> list[Trial]:
    """Return the trials of a recording, in order.

    Args:
        events: sorted by onset.
        responses: ``any`` button press, or ``left-right`` for those two buttons alone.
    """
    onsets = [event.onset_seconds for event in events]
    starts = [event.onset_seconds for event in events if event.value == TRIAL_START]
    return [
        _trial(i, events[bisect_left(onsets, start) : bisect_left(onsets, end)], responses)
        for i, (start, end) in enumerate(pairwise(starts))
    ]


def _trial(i: int, events: Sequence[Event], responses: Responses) -> Trial:
    stimulus = next((event.onset_seconds for event in events if event.value in STIMULI), None)
    response = next(
        (
            event.onset_seconds
            for event in events
            if stimulus is not None and event.onset_seconds >= stimulus and _is_response(event.value, responses)
        ),
        None,
    )
    return Trial(number=i, stimulus_seconds=stimulus, response_seconds=response)


def _is_response(value: str, responses: Responses) -> bool:
    return value in _LEFT_RIGHT if responses == "left-right" else value.endswith(RESPONSE_ENDING)
