"""A folder of small numbered objects, and decoders of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

__all__ = ["content", "number_of", "to_number", "write_objects"]

OBJECT_BYTES = 2_000


def content(number: int) -> bytes:
    """Return an object's bytes."""
    return np.random.default_rng(number).bytes(OBJECT_BYTES)


def write_objects(folder: Path, count: int) -> Path:
    """Make a folder of ``count`` objects."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:04}.bin").write_bytes(content(number))
    return folder


def number_of(data: memoryview, key: str) -> int:
    """Check an object's bytes and give its number."""
    number = int(Path(key).stem)
    assert bytes(data) == content(number)
    return number


def to_number(data: memoryview, key: str) -> torch.Tensor:
    """Return the number as a tensor."""
    return torch.tensor(number_of(data, key))
