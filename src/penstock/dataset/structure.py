"""The structure of values, of which all members of a mix must have the same."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["structure_of"]


def structure_of(value: Any) -> str:
    """Tell what a value is made of: names, lengths of tuples, types and shapes of arrays."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    if isinstance(value, Mapping):
        parts = (f"{name}: {structure_of(value[name])}" for name in sorted(value, key=str))
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, str | bytes):
        return type(value).__name__.removesuffix("_")
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, numbers.Integral):
        return "int"
    if isinstance(value, numbers.Real):
        return "float"
    if isinstance(value, Sequence):
        return f"({', '.join(map(structure_of, value))})"
    return type(value).__name__
