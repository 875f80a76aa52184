"""Files of a local folder as objects, through obstore; a read counts as a request, a walk through a folder as a LIST.

A file's ETag is made of its inode, modification time in microseconds and size: a file written over in place, with as
many bytes, within the grain of the file system's clock (a few milliseconds) cannot be told from what it was.

obstore must not be used in a process and then in its forked child, so sources are opened where they are used
and never handed over.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from penstock.errors import BucketNotFound, SourceError, SourceUnavailable
from penstock.records import Purpose, SourceSpec
from penstock.sources.mapping import changed, map_source_error
from penstock.sources.meter import RequestMeter
from penstock.sources.objects_base import ObjectSource, refuse_beyond
from penstock.sources.protocols import ObjectInfo
from penstock.sources.uris import local_folder

__all__ = ["LocalObjects"]

LIST_PAGE = 1000
_UNLISTED = re.compile(r"#[0-9]+\Z|[\x00-\x1f\x7f]")
"""Names of files that obstore leaves out, as its own unfinished writes, or cannot read."""


class LocalObjects(ObjectSource):
    """Files below one folder.

    Raises:
        ConfigError: it is a URI of another scheme.
        BucketNotFound: there is no such folder.
    """

    def __init__(self, spec: SourceSpec, *, meter: RequestMeter | None = None, purpose: Purpose = "data") -> None:
        super().__init__(spec, RequestMeter() if meter is None else meter)
        folder = local_folder(spec.uri)
        if not folder.is_dir():
            raise BucketNotFound(
                f"there is no folder {folder}",
                fix="check the path; a source is a folder or an s3:// URI",
                about=spec.uri,
            )
        self._store = LocalStore(folder)
        self._line = self.meter.line("GET", purpose)

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted."""
        return False

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List; see the base class."""
        await asyncio.to_thread(_refuse_unlisted, local_folder(self.spec.uri) / prefix)
        line = self.meter.line("LIST", "listing")
        line.sent(0)
        try:
            async for page in obstore.list(self._store, prefix or None, chunk_size=LIST_PAGE):
                yield [_info(cast("dict[str, Any]", meta)) for meta in page]
        except (BaseError, OSError) as error:
            self.meter.add("failed_requests")
            raise map_source_error(error, self.spec, prefix) from error
        line.answered(200)

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Read a range; see the base class."""
        refuse_beyond(info, offset + length_bytes)
        if length_bytes == 0:
            return memoryview(b"")
        self._line.sent(0)
        try:
            options = {"range": (offset, offset + length_bytes)} | ({"if_match": info.etag} if info.etag else {})
            result = await obstore.get_async(self._store, info.key, options=cast("Any", options))
            meta, body = result.meta, memoryview(await result.bytes_async())
        except (BaseError, OSError) as error:
            self._line.answered(404 if isinstance(error, FileNotFoundError) else 500)
            self.meter.add("failed_requests")
            raise map_source_error(error, self.spec, info.key) from error
        self._line.answered(200)
        self._line.received(len(body))
        if meta["size"] != info.size_bytes or (info.etag and (meta["e_tag"] or "") != info.etag):
            raise changed(self.spec, info.key)
        if len(body) != length_bytes:
            raise SourceUnavailable(
                f"{info.key} in {self.spec.uri} gave {len(body)} of {length_bytes} bytes",
                fix="look whether another process writes to it, and run it again",
                about=info.key,
            )
        return body

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range to its place; see the base class."""
        place[:] = await self.get_range(info, offset, len(place))

    async def names_in(self, uri: str) -> list[str]:
        """Name what lies in a folder."""
        store = LocalStore(local_folder(uri))
        listing = await obstore.list_with_delimiter_async(store)
        names = [f"{name.rstrip('/').rsplit('/', 1)[-1]}/" for name in listing["common_prefixes"]]
        return names + [meta["path"].rsplit("/", 1)[-1] for meta in listing["objects"]]

    def close(self) -> None:
        """Nothing is kept open."""


def _refuse_unlisted(folder: Path) -> None:
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if _UNLISTED.search(name):
                raise SourceError(
                    f"{Path(parent, name)!s} has a name that cannot be read",
                    fix="rename it: names end in no # and number, and hold no control characters",
                    about=name,
                )


def _info(meta: dict[str, Any]) -> ObjectInfo:
    return ObjectInfo(key=meta["path"], size_bytes=meta["size"], etag=meta["e_tag"] or "")
