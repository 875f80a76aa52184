"""Values of samples as types and short text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.inspection.found import Column
from penstock.inspection.naming import kind_of_head
from penstock.inspection.pictures import told_of
from penstock.secrets import redact
from penstock.texts import printable
from penstock.units import format_bytes

__all__ = ["LONGEST", "columns_of", "short_value"]

LONGEST = 160
"""Letters of a value that are kept; what shows them cuts them further."""
_SHOWN_ITEMS = 6


def columns_of(samples: Sequence[Any]) -> tuple[Column, ...]:
    """Return the parts of samples, in the order in which they first come; of what has no parts the value itself."""
    rows = [sample if isinstance(sample, Mapping) else {"value": sample} for sample in samples]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return tuple(
        Column(
            name=printable(str(name)),
            type=_type_of_all([row[name] for row in rows if name in row]),
            values=tuple(short_value(row[name]) if name in row else "" for row in rows),
        )
        for name in names
    )


def _type_of_all(values: Sequence[Any]) -> str:
    types = list(dict.fromkeys(type_of(value) for value in values if value is not None))
    return " or ".join(types[:3]) or "null"


def type_of(value: Any) -> str:
    """Name a value's type."""
    match value:
        case np.ndarray():
            return f"{value.dtype} {list(value.shape)}"
        case np.generic():
            return str(value.dtype)
        case bytes() | bytearray() | memoryview():
            return kind_of_head(bytes(value[:4096])) or "binary"
        case Mapping():
            return f"struct ({', '.join(map(str, list(value)[:_SHOWN_ITEMS]))})"
        case list() | tuple():
            return f"list of {type_of(value[0])}" if value else "list"
        case bool() | int() | float() | str():
            return type(value).__name__
        case None:
            return "null"
    return type(value).__name__


def short_value(value: Any) -> str:
    """Return a value as one line of text, cut; binary is told by what it is, and its size."""
    match value:
        case bytes() | bytearray() | memoryview():
            return _short_bytes(bytes(value))
        case np.ndarray():
            shown = " ".join(str(item) for item in value.reshape(-1)[:_SHOWN_ITEMS].tolist())
            return _cut(f"[{shown}{' …' if value.size > _SHOWN_ITEMS else ''}]")
        case Mapping():
            parts = [f"{name}: {short_value(part)}" for name, part in list(value.items())[:_SHOWN_ITEMS]]
            return _cut(f"{{{', '.join(parts)}{', …' if len(value) > _SHOWN_ITEMS else ''}}}")
        case list() | tuple():
            parts = [short_value(part) for part in value[:_SHOWN_ITEMS]]
            return _cut(f"[{', '.join(parts)}{', …' if len(value) > _SHOWN_ITEMS else ''}]")
        case str():
            return _cut(value)
        case None:
            return "null"
    return _cut(str(value))


def _short_bytes(data: bytes) -> str:
    if told := told_of(data):
        return f"{told}, {format_bytes(len(data))}"
    kind = kind_of_head(data[:4096])
    if kind == "text":
        return _cut(data[: 8 * LONGEST].decode(errors="replace"))
    return f"{kind or 'binary'}, {format_bytes(len(data))}"


def _cut(text: str) -> str:
    text = redact(" ".join(text[: 8 * LONGEST].split()))  # before it is cut: half of a secret is not recognised
    return printable(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
