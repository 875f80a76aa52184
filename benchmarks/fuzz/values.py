"""All that a source of some objects holds, found and decoded."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from penstock.manifest import Extent

__all__ = ["values_of"]

MOST_SAMPLES = 2000
"""Of an extent, that are decoded."""


def values_of(source: Any, kind: Any, loop: asyncio.AbstractEventLoop) -> int:
    """Index a source's objects and decode what is found; return how many samples that are."""

    async def index() -> list[Extent]:
        infos = source.infos() if hasattr(source, "infos") else [source.info]
        found = [each for info in infos if info.size_bytes async for each in kind.index(source, info)]
        return [each for each in found if isinstance(each, Extent)]

    count = 0
    for extent in loop.run_until_complete(index()):
        numbers = np.arange(min(extent.num_samples, MOST_SAMPLES))
        values = kind.decode(memoryview(source.joined(extent)), extent, extent.codec, numbers)
        count += sum(1 for _ in (values[number] for number in range(len(values))))
    return count
