"""EEG recordings (BDF, EDF): channels, rates and length by the header."""

from __future__ import annotations

from collections import Counter

from penstock.formats.bdf.header import header_size, parse_header
from penstock.inspection.budget import Budgeted
from penstock.inspection.found import Column
from penstock.inspection.peeked import Peeked
from penstock.sources import ObjectInfo
from penstock.texts import counted, printable
from penstock.units import format_seconds

__all__ = ["peek_recording"]

_FIRST_BYTES = 256
_MOST_KINDS = 8


async def peek_recording(source: Budgeted, info: ObjectInfo) -> Peeked:
    """Look into a recording.

    Raises:
        BudgetSpent, SourceError, DataError: it cannot be.
    """
    first = await source.get_range(info, 0, min(_FIRST_BYTES, info.size_bytes))
    size = header_size(first, name=info.key)
    data = await source.get_range(info, 0, min(size, info.size_bytes))
    header = parse_header(data, object_bytes=info.size_bytes, name=info.key)
    seconds = header.num_records * header.record_seconds
    rates = [number / header.record_seconds for number in header.samples_per_record]
    kinds = Counter(zip(rates, header.units, strict=True)).most_common(_MOST_KINDS)
    columns = []
    for (rate, unit), count in kinds:
        labels = [
            label
            for label, each, name in zip(header.labels, rates, header.units, strict=True)
            if (each, name) == (rate, unit)
        ]
        columns.append(
            Column(
                name=counted(count, "channel"),
                type=printable(f"{rate:g} Hz, {unit or 'no unit'}"),
                values=(printable(", ".join(labels[:_MOST_KINDS]) + (" …" if len(labels) > _MOST_KINDS else "")),),
            )
        )
    note = f"{format_seconds(seconds)} in {counted(header.num_records, 'record')}"
    return Peeked(columns=tuple(columns), note=note)
