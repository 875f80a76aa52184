"""Which channels of a recording are EEG: by its ``_channels.tsv`` where there is one, else by what the file says of
their types, else by their names and units.

A channel that the table calls bad keeps its place, so that all recordings have the same channels, and is all zeros.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.errors import DataError
from penstock.formats.bdf import RecordLayout
from penstock.formats.bdf.rates import at_commonest_rate
from penstock.formats.recordings import Recording
from penstock.formats.tables import is_missing, read_table

__all__ = ["Channel", "Montage", "choose_channels", "parse_channels"]

EEG: Final = "EEG"
LABEL_CHARACTERS: Final = 16
"""Of a channel's name that a header of BDF or EDF holds; a table may give it in full."""

# Positions of the 10-5 system, and the numbering of EGI and BioSemi caps; a reference may follow.
_EEG_NAME = re.compile(
    r"(?:EEG\b.*|(?:(?:N|F?p|A?F|AF[pF]|F?F[CT]|FFT|F[CT]T?|T(?:T?P)?|C(?:CP|P)?|P(?:P?O)?|PPO|PO|O|POO|O?I|M)"
    r"(?:z|\d{1,2}h?)|E\d{1,3}|[A-H]\d{1,2})(?:[-_ .].*|\.*)|VREF)",
    re.IGNORECASE,
)
_OTHER_NAME = re.compile(
    r"(?:EXG|[HV]?EOG|ECG|EKG|EMG|GSR|EDA|ERG|RESP|PLET|TEMP|SPO2|SAO2|PULSE|PPG|ACC|GYR|MAG|AUX|ANA|MISC|TRIG|STI|"
    r"STATUS|PHOTO|DIODE|AUDIO|SOUND|MIC|BUTTON|MARK|EVENT|JOY|AIRFLOW|FLOW|SNORE|POSITION|BATTERY|DC)"
    r"(?=$|[^a-z])",
    re.IGNORECASE,
)
_VOLTAGE: Final = re.compile(r"[nuµμm]?V|\x83\xcaV", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """A row of a ``_channels.tsv``.

    Attributes:
        kind: in capitals, empty where the table does not say.
    """

    kind: str
    is_bad: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Montage:
    """The channels that are taken of a recording.

    Attributes:
        labels: their names, in file order.
        numbers: their places in the file.
        bad: those of them that are bad.
        units: what their numbers are in: ``V`` for any voltage.
        rate_hz: samples per second.
        left_out: a phrase on the others, empty where there are none.
        reference: places in the file of the channels whose mean is taken off all; none are taken as they are.
    """

    labels: tuple[str, ...]
    numbers: tuple[int, ...]
    bad: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    left_out: str
    reference: tuple[int, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Labels by which channels are matched: sorted, or in file order where one comes twice."""
        return tuple(sorted(self.labels)) if len(set(self.labels)) == len(self.labels) else self.labels

    def units_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the units by name."""
        by_name = dict(zip(self.labels, self.units, strict=True))
        return tuple(by_name[name] for name in names)

    def layout(self, file: Recording, order: Sequence[str] | None = None) -> RecordLayout:
        """Describe how to decode them, bad ones as zeros, and behind them what else the reference is made of.

        Args:
            order: labels in the order wanted, the same ones; None is that of the file.
        """
        wanted = self._decoded(order)
        by_name = dict(zip(self.labels, self.numbers, strict=True))
        silent = frozenset(by_name[name] for name in self.bad)
        return file.numbers.layout(wanted, silent)

    def reference_places(self, order: Sequence[str] | None = None) -> tuple[int, ...]:
        """Return the places of the reference's channels among those that ``layout`` decodes."""
        decoded = self._decoded(order)
        return tuple(decoded.index(number) for number in self.reference)

    def bad_places(self, order: Sequence[str] | None = None) -> tuple[int, ...]:
        """Return the places of the bad channels, likewise."""
        return tuple(place for place, label in enumerate(order or self.labels) if label in self.bad)

    def _decoded(self, order: Sequence[str] | None) -> tuple[int, ...]:
        by_name = dict(zip(self.labels, self.numbers, strict=True))
        wanted = self.numbers if order is None or order == self.labels else tuple(by_name[name] for name in order)
        return (*wanted, *(number for number in self.reference if number not in wanted))


def parse_channels(data: bytes, *, name: str) -> dict[str, Channel]:
    """Read a ``_channels.tsv`` by channel name.

    Raises:
        DataError: it is no such table, or tells of a channel twice.
    """
    table = read_table(data, name=name)
    table.require(("name",), fix="check that it is a BIDS table of channels")
    found: dict[str, Channel] = {}
    for row in table.rows:
        label = row["name"]
        if label in found:
            raise row.error(f"the channel {label!r} comes a second time")
        kind = row["type"] if "type" in table.columns else ""
        status = row["status"] if "status" in table.columns else ""
        if not is_missing(status) and status.lower() not in ("good", "bad"):
            raise row.error(f"the status of {label} is {status!r}", fix="write good, bad or n/a")
        found[label] = Channel(kind="" if is_missing(kind) else kind.upper(), is_bad=status.lower() == "bad")
    return found


def choose_channels(file: Recording, table: Mapping[str, Channel] | None = None) -> Montage:
    """Choose the EEG channels: of the commonest rate among them, the higher one where two are equally common.

    Raises:
        DataError: there are none, all of them are bad, or the table is of another recording.
    """
    told = _matched(file, table or {})
    kinds = {i: _kind(file, i, told.get(i)) for i in range(file.num_channels) if i not in file.text}
    taken = [i for i, kind in kinds.items() if kind == EEG] or [i for i, kind in kinds.items() if not kind]
    if not taken:
        raise DataError(
            f"{file.name} has no EEG channel (it has {', '.join(file.labels)})",
            fix="leave it out, or correct the types of its channels.tsv",
            about=file.name,
        )
    rate = file.rates_hz[at_commonest_rate(taken, file.rates_hz)[0]]
    # Names that say nothing are taken for EEG, as MNE does, where they are of the same rate.
    numbers = [i for i, kind in kinds.items() if kind in (EEG, "") and file.rates_hz[i] == rate]
    bad = tuple(
        file.labels[i] for i in numbers if (told[i].is_bad if i in told else not table and file.labels[i] in file.bad)
    )
    if len(bad) == len(numbers):
        raise DataError(
            f"all {len(numbers)} EEG channels of {file.name} are marked bad", fix="leave it out", about=file.name
        )
    return Montage(
        labels=tuple(file.labels[i] for i in numbers),
        numbers=tuple(numbers),
        bad=bad,
        units=tuple("V" if _is_voltage(file.units[i]) else file.units[i] for i in numbers),
        rate_hz=rate,
        left_out=_left_out(file, kinds, numbers, rate),
    )


def _matched(file: Recording, table: Mapping[str, Channel]) -> dict[int, Channel]:
    """Return the table's rows by channel number."""
    known = {label[:LABEL_CHARACTERS].strip(): channel for label, channel in table.items()} | dict(table)
    found = {i: known[label] for i, label in enumerate(file.labels) if label in known}
    if table and not found:
        raise DataError(
            f"the channels.tsv of {file.name} names none of its channels (it has {', '.join(list(table)[:3])}, "
            f"the recording {', '.join(file.labels[:3])})",
            fix="correct the table, or remove it",
            about=file.name,
        )
    return found


def _kind(file: Recording, i: int, told: Channel | None) -> str:
    """Return a channel's type: ``EEG``, another one, or empty where nothing tells."""
    if told is not None and told.kind:
        return told.kind
    if file.kinds[i]:
        return file.kinds[i]
    label, unit = file.labels[i], file.units[i]
    if match := _OTHER_NAME.match(label):
        return match[0].upper()
    if unit and not _is_voltage(unit):
        return f"in {unit}"
    return EEG if _EEG_NAME.fullmatch(label) else ""


def _is_voltage(unit: str) -> bool:
    return _VOLTAGE.fullmatch(unit) is not None


def _left_out(file: Recording, kinds: Mapping[int, str], taken: Sequence[int], rate: float) -> str:
    left = [i for i in kinds if i not in taken]
    if not left:
        return ""
    named = ", ".join(
        f"{file.labels[i]} ({kinds[i]})"
        if kinds[i] not in (EEG, "")
        else f"{file.labels[i]} ({file.rates_hz[i]:g} Hz, not {rate:g})"
        for i in left
    )
    return f"{len(left)} of {len(kinds)} channels are not taken: {named}"
