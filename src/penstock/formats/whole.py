"""Whole objects: each is an extent of one sample, whose value is its bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.formats.protocols import Found
from penstock.manifest import Described, Extent
from penstock.sources import GetRange, ObjectInfo

__all__ = ["WholeObject", "bytes_of", "folder_of", "whole_extent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WholeObject:
    """The format of whole objects."""

    takes_hidden: ClassVar[bool] = True

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return the object; nothing is read."""
        yield whole_extent(info)

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the object's bytes."""
        return [bytes_of(data)] * len(numbers)


def whole_extent(info: ObjectInfo) -> Extent:
    """Return an object as an extent of one sample."""
    span = info.span(0, info.size_bytes)
    return Extent(key=info.key, group=folder_of(info.key), spans=(span,))


def folder_of(key: str) -> str:
    """Return the first folder of an object's key, or the key where it lies in none."""
    folder, slash, _ = key.partition("/")
    return folder if slash else key


def bytes_of(data: Any) -> bytes:
    """Return an extent's bytes, that are in memory or in a file; a view of all of some bytes is not copied."""
    if isinstance(data, Path):
        return data.read_bytes()
    own = data.obj if isinstance(data, memoryview) else None
    return own if isinstance(own, bytes) and data.contiguous and data.nbytes == len(own) else bytes(data)
