"""What the headers of many recordings have in common, held once."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

from penstock.formats.recordings.model import Recording
from penstock.formats.recordings.numbers import Columns, Packed, Records, Rows

__all__ = ["Sharing"]

Value = TypeVar("Value")


class Sharing:
    """Lets recordings share the tuples that are equal: there may be thousands of recordings."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, tuple[Any, ...]], tuple[Any, ...]] = {}

    def slim(self, recording: Recording) -> Recording:
        """Return a recording without its annotations, that shares what it can with those before it."""
        numbers = recording.numbers
        if isinstance(numbers, Records):
            numbers = replace(numbers, header=replace(numbers.header, **self._shared(numbers.header)))
        elif isinstance(numbers, Rows | Columns | Packed):
            numbers = replace(numbers, scales=self._same(numbers.scales))
        return replace(recording, **self._shared(recording) | {"annotations": (), "numbers": numbers})

    def _shared(self, value: Any) -> dict[str, Any]:
        held = {each.name: getattr(value, each.name) for each in fields(value)}
        return {name: self._same(part) for name, part in held.items() if isinstance(part, tuple)}

    def _same(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        kind = type(value[0]) if value else None  # 1 and 1.0 are equal, and not the same
        return self._known.setdefault((kind, value), value)
