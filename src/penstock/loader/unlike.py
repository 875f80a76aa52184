"""What keeps values from going together into one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["dropped_columns", "unlike"]

_NUMBERS = (bool, int, float, np.number, np.bool_)
_MOST = 200


def unlike(values: Sequence[Any], name: str = "") -> str:
    """Tell the first thing in which values differ from the first of them, or that one is missing; else no text.

    Args:
        values: of a batch, at least one.
        name: of the place in each of them where these lie, like ``['a'][0]``.
    """
    kinds = [_kind(value) for value in values]
    other = next((at for at, kind in enumerate(kinds) if kind != kinds[0]), None)
    first = f"value 0 of the batch{f' at {name}' if name else ''} is {kinds[0]}"
    if other is not None:
        return f"{first}, value {other} is {kinds[other]}"
    if values[0] is None:
        return first
    if isinstance(values[0], Mapping):
        places: Sequence[Any] = list(values[0])
    elif isinstance(values[0], Sequence) and not isinstance(values[0], str | bytes):
        places = range(len(values[0]))
    else:
        return ""
    told = (unlike([value[place] for value in values], f"{name}[{place!r}]") for place in places)
    return next(filter(None, told), "")


def dropped_columns(values: Sequence[Any]) -> str:
    """Tell which columns torch's default collate would drop without a word: those that the first value lacks.

    The empty text where it drops none, or refuses the values anyway.
    """
    first = values[0]
    if not isinstance(first, dict) or not all(isinstance(value, dict) for value in values):
        return ""
    if any(len(value) != len(first) for value in values) and all(first.keys() <= value.keys() for value in values):
        return unlike(values)
    within = [name for name, value in first.items() if isinstance(value, dict)]
    if not within or not all(name in value for name in within for value in values):
        return ""
    told = (dropped_columns([value[name] for value in values]) for name in within)
    return next(filter(None, told), "")


def _kind(value: Any) -> str:
    """Tell what a value is, by which it goes together with those that are the same."""
    if value is None:
        return "missing (None)"
    if isinstance(value, torch.Tensor | np.ndarray):
        return f"of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a dictionary of {', '.join(sorted(map(repr, value)))[:_MOST]}"
    if isinstance(value, str | bytes):
        return type(value).__name__
    if isinstance(value, Sequence):
        return f"a {type(value).__name__} of {len(value)}"
    return "a number" if isinstance(value, _NUMBERS) else f"of type {type(value).__name__}"
