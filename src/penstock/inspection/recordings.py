"""Recordings of EEG (BDF, EDF, BrainVision, EEGLAB, FIF): channels, rates and length by the header."""

from __future__ import annotations

from collections import Counter
from typing import Final

from penstock.formats.recordings import open_recording
from penstock.inspection.budget import Budgeted
from penstock.inspection.found import Column
from penstock.inspection.peeked import Peeked
from penstock.sources import ObjectInfo
from penstock.texts import counted, printable
from penstock.units import MIB, format_seconds

__all__ = ["RECORDING_KINDS", "peek_recording"]

RECORDING_KINDS: Final = ("BDF", "EDF", "BrainVision", "FIF", "MATLAB")
"""Of first bytes."""
_MOST_PACKED_BYTES: Final = 64 * MIB
_MOST_KINDS: Final = 8


async def peek_recording(source: Budgeted, info: ObjectInfo) -> Peeked:
    """Look into a recording.

    Raises:
        BudgetSpent, SourceError, DataError: it cannot be.
    """
    found = await open_recording(source, info, find=source.find, memory_bytes=_MOST_PACKED_BYTES)
    kinds = Counter(zip(found.rates_hz, found.units, strict=True)).most_common(_MOST_KINDS)
    columns = []
    for (rate, unit), count in kinds:
        labels = [
            label
            for label, each, name in zip(found.labels, found.rates_hz, found.units, strict=True)
            if (each, name) == (rate, unit)
        ]
        columns.append(
            Column(
                name=counted(count, "channel"),
                type=printable(f"{rate:g} Hz, {unit or 'no unit'}"),
                values=(printable(", ".join(labels[:_MOST_KINDS]) + (" …" if len(labels) > _MOST_KINDS else "")),),
            )
        )
    parts = [f"{found.form}, {format_seconds(found.seconds)}", found.note]
    if found.annotations:
        parts.append(counted(len(found.annotations), "annotation"))
    return Peeked(columns=tuple(columns), note="; ".join(part for part in parts if part))
