"""A source of some objects that are in memory, which counts what is read of them and how often it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np

from penstock.formats.protocols import Format
from penstock.manifest import Extent, SkippedObject
from penstock.sources import ObjectInfo

__all__ = ["Folder"]


class Folder:
    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.reads: list[tuple[str, int, int]] = []
        self.num_listings = 0

    def infos(self) -> list[ObjectInfo]:
        return [ObjectInfo(key=key, size_bytes=len(data), version='"v1"') for key, data in sorted(self.files.items())]

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        data = self.files[info.key]
        assert info.size_bytes == len(data)
        assert 0 <= offset <= offset + length_bytes <= len(data)
        self.reads.append((info.key, offset, length_bytes))
        return memoryview(data)[offset : offset + length_bytes]

    async def find(self, key: str) -> ObjectInfo | None:
        return next((info for info in self.infos() if info.key == key), None)

    async def beside(self, key: str) -> tuple[ObjectInfo, bytes] | None:
        info = await self.find(key)
        return None if info is None else (info, self.files[key])

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        self.num_listings += 1
        yield [info for info in self.infos() if not prefix or info.key.startswith(f"{prefix}/")]

    @property
    def read_bytes(self) -> int:
        return sum(length for _, _, length in self.reads)

    def index(self, kind: Format) -> tuple[list[Extent], list[SkippedObject]]:
        async def walk() -> list[Any]:
            return [found for info in self.infos() if info.size_bytes async for found in kind.index(self, info)]

        found = asyncio.run(walk())
        return [x for x in found if isinstance(x, Extent)], [x for x in found if isinstance(x, SkippedObject)]

    def joined(self, extent: Extent) -> bytes:
        for span in extent.spans:
            assert (span.version, span.object_bytes) == ('"v1"', len(self.files[span.object]))
            assert 0 <= span.offset < span.offset + span.length_bytes <= span.object_bytes
        return b"".join(self.files[span.object][span.offset : span.offset + span.length_bytes] for span in extent.spans)

    def values(self, kind: Format) -> list[Any]:
        """Decode everything."""
        found: list[Any] = []
        for extent in self.index(kind)[0]:
            numbers = np.arange(extent.num_samples)
            found += list(kind.decode(memoryview(self.joined(extent)), extent, extent.codec, numbers))
        return found
