"""A source of one object that is in memory, which counts what is read of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, ClassVar

import numpy as np

from penstock.formats.protocols import Format
from penstock.manifest import Extent, SkippedObject
from penstock.sources import ObjectInfo

__all__ = ["InLoop", "Ranges"]


class Ranges:
    def __init__(self, data: bytes, key: str = "one") -> None:
        self.data = data
        self.info = ObjectInfo(key=key, size_bytes=len(data), version='"v1"')
        self.reads: list[tuple[int, int]] = []

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        assert info == self.info
        assert 0 <= offset <= offset + length_bytes <= len(self.data)
        self.reads.append((offset, length_bytes))
        return memoryview(self.data)[offset : offset + length_bytes]

    async def find(self, key: str) -> ObjectInfo | None:
        return self.info if key == self.info.key else None

    async def beside(self, key: str) -> tuple[ObjectInfo, bytes] | None:
        return None

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        yield [self.info]

    @property
    def read_bytes(self) -> int:
        return sum(length for _, length in self.reads)

    def _run(self, walk: Coroutine[Any, Any, list[Any]]) -> list[Any]:
        return asyncio.run(walk)

    def index(self, kind: Format) -> tuple[list[Extent], list[SkippedObject]]:
        async def walk() -> list[Any]:
            return [found async for found in kind.index(self, self.info)]

        found = self._run(walk())
        return [x for x in found if isinstance(x, Extent)], [x for x in found if isinstance(x, SkippedObject)]

    def joined(self, extent: Extent) -> bytes:
        for span in extent.spans:
            assert (span.object, span.version, span.object_bytes) == (self.info.key, self.info.version, len(self.data))
            assert 0 <= span.offset < span.offset + span.length_bytes <= len(self.data)
        return b"".join(self.data[span.offset : span.offset + span.length_bytes] for span in extent.spans)

    def values(self, kind: Format) -> list[Any]:
        """Decode everything."""
        found: list[Any] = []
        for extent in self.index(kind)[0]:
            numbers = np.arange(extent.num_samples)
            found += list(kind.decode(memoryview(self.joined(extent)), extent, extent.codec, numbers))
        return found


class InLoop(Ranges):
    """Indexed in one loop for all that are made of the class, which takes what is kept for a loop once."""

    loop: ClassVar[asyncio.AbstractEventLoop]

    def _run(self, walk: Coroutine[Any, Any, list[Any]]) -> list[Any]:
        return self.loop.run_until_complete(walk)
