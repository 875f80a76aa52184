"""Objects of S3 buckets and local folders, through obstore; ranges that have a place go past it where they can.

A read names the ETag and size it expects: the request carries If-Match and the answer is compared, so a
part of a changed object is never returned. An answer of other bytes than were asked for is tried again, as a cut body
is. A local file's ETag is made of its inode, modification time in microseconds and size: a file written over in place,
with as many bytes, within the grain of the file system's clock (a few milliseconds) cannot be told from what it was.

obstore must not be used in a process and then in its forked child, so sources are opened where they are used
and never handed over.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from penstock.errors import BucketNotFound, EmptyListing, PenstockError, SourceError, SourceUnavailable, TruncatedObject
from penstock.records import SourceSpec
from penstock.sources.http_connection import Unusual
from penstock.sources.http_ranges import HttpRanges, open_ranges, pause_seconds
from penstock.sources.mapping import changed, map_source_error, status_of
from penstock.sources.protocols import ObjectInfo, RequestMeter
from penstock.sources.s3 import Boto3Credentials, ClientLimits, open_s3, s3_address
from penstock.sources.uris import local_folder, split_s3

__all__ = ["ObjectSource", "open_source"]

LIST_PAGE = 1000
NEIGHBOURS_SHOWN = 8
NEIGHBOURS_SECONDS = 10
UNUSUAL_ALLOWED = 3
"""Answers that only obstore understands, after which it is asked at once."""

_log = logging.getLogger(__name__)

_DEFAULT_LIMITS = ClientLimits()
_OTHER_RANGE = re.compile(r"Requested ([0-9]+\.\.[0-9]+), got ([0-9]+\.\.[0-9]+)")
"""obstore's words for a 206 of other bytes than were asked for."""
_UNLISTED = re.compile(r"#[0-9]+\Z|[\x00-\x1f\x7f]")
"""Names of local files that obstore leaves out, as its own unfinished writes, or cannot read."""


class _WrongBody(Exception):
    """An answer that is not of the range that was asked for, as a server under load may give it once."""


class ObjectSource:
    """Objects under one prefix of one store."""

    def __init__(
        self,
        spec: SourceSpec,
        store: S3Store | LocalStore,
        *,
        limits: ClientLimits = _DEFAULT_LIMITS,
        ranges: HttpRanges | None = None,
    ) -> None:
        self.spec = spec
        self.meter = RequestMeter() if ranges is None else ranges.meter
        self._store = store
        self._limits = limits
        self._ranges = ranges
        self._num_unusual = 0

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted by key but for folder markers, as S3 promises and file systems do not."""
        return isinstance(self._store, S3Store)

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """Give the objects in the folder ``prefix`` in pages of at most 1000, in the store's order.

        Raises:
            BucketNotFound, AccessDenied, SourceUnavailable: it could not be listed.
            SourceError: an object's name is one that could not be read.
        """
        if isinstance(self._store, LocalStore):
            await asyncio.to_thread(_refuse_unlisted, local_folder(self.spec.uri) / prefix)
        stream = obstore.list(self._store, prefix or None, chunk_size=LIST_PAGE)
        num_pages = 0
        try:
            async for page in stream:
                num_pages += 1
                self.meter.list_requests += 1
                yield [_info(cast("dict[str, Any]", meta)) for meta in page]
        except (BaseError, OSError) as error:
            self.meter.failed_requests += 1
            raise map_source_error(error, self.spec, prefix) from error
        self.meter.list_requests += num_pages == 0

    async def list_all(self, prefix: str = "") -> list[ObjectInfo]:
        """Give all objects in the folder ``prefix``, sorted by key; S3's empty folder markers are left out.

        Raises:
            EmptyListing: there are none; the message names what lies beside the prefix.
            SourceError: it could not be listed.
        """
        found = [info async for page in self.list_objects(prefix) for info in page]
        if not found:
            raise await self.nothing_found(prefix)
        folders = {info.key[:end] for info in found for end in _slashes(info.key)}
        kept = [info for info in found if info.size_bytes or info.key not in folders]
        return sorted(kept, key=lambda info: info.key)

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Give ``length_bytes`` bytes from ``offset`` of the version of the object that ``info`` names.

        Raises:
            SourceChanged: its ETag or size is another by now.
            TruncatedObject: it ends before the range does.
            ObjectNotFound, AccessDenied, SourceUnavailable: it could not be read.
        """
        _refuse_beyond(info, offset + length_bytes)
        if length_bytes == 0:
            return memoryview(b"")
        loop, num_retries = asyncio.get_running_loop(), 0
        began = loop.time()
        while True:
            try:
                return await self._get_once(info, offset, length_bytes)
            except _WrongBody as wrong:
                pause = pause_seconds(num_retries, random.random())  # noqa: S311 (spreads the load, hides nothing)
                late = loop.time() - began + pause > self._limits.retry_seconds
                if late or num_retries == self._limits.max_retries:
                    self.meter.failed_requests += 1
                    raise SourceUnavailable(
                        f"{self.spec.uri} gave {wrong} of {info.key}",
                        fix="run it again; if it stays, the server, or a proxy before it, gives wrong ranges",
                        about=info.key,
                    ) from wrong
            num_retries += 1
            self.meter.retried_requests += 1
            await asyncio.sleep(pause)

    async def _get_once(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        try:
            options = {"range": (offset, offset + length_bytes)} | ({"if_match": info.etag} if info.etag else {})
            result = await obstore.get_async(self._store, info.key, options=cast("Any", options))
            meta, body = result.meta, memoryview(await result.bytes_async())
        except (BaseError, OSError) as error:
            if found := _OTHER_RANGE.search(str(error)):
                raise _WrongBody(f"bytes {found[2]} where {found[1]} were asked for") from error
            self.meter.failed_requests += 1
            if isinstance(self._store, S3Store):
                self.meter.count_answer(404 if isinstance(error, FileNotFoundError) else status_of(str(error)) or 0)
            raise map_source_error(error, self.spec, info.key) from error
        self.meter.bytes_downloaded += len(body)
        self.meter.answers_2xx += isinstance(self._store, S3Store)
        if meta["size"] != info.size_bytes or (info.etag and (meta["e_tag"] or "") != info.etag):
            self.meter.get_requests += 1
            raise changed(self.spec, info.key)
        if len(body) != length_bytes:
            raise _WrongBody(f"{len(body)} of {length_bytes} bytes")
        self.meter.get_requests += 1
        return body

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Fill ``place`` with the bytes from ``offset`` of the version of the object that ``info`` names.

        From S3 they are received straight into it; where this is cancelled, nothing is written to it any more.

        Raises: what ``get_range`` does.
        """
        _refuse_beyond(info, offset + len(place))
        ranges, size = self._ranges, len(place)
        if ranges is not None and 0 < size <= ranges.most_bytes and self._num_unusual < UNUSUAL_ALLOWED:
            try:
                await ranges.read_into(info, offset, place)
            except Unusual as why:
                self._num_unusual += 1
                if self._num_unusual in (1, UNUSUAL_ALLOWED):
                    stays = self._num_unusual == UNUSUAL_ALLOWED
                    _log.warning("range.unusual object=%s reason=%s obstore_from_now_on=%s", info.key, why, stays)
            else:
                return
        place[:] = await self.get_range(info, offset, len(place))

    def close(self) -> None:
        """Close connections that are kept open; they are also closed when nobody uses them for a while."""
        if self._ranges is not None:
            self._ranges.close()

    async def get(self, info: ObjectInfo) -> bytes:
        """Give a whole (small) object."""
        return bytes(await self.get_range(info, 0, info.size_bytes))

    async def nothing_found(self, prefix: str = "") -> EmptyListing:
        """Give the error of an empty listing: it names what lies beside the prefix."""
        asked = f"{self.spec.uri.rstrip('/')}/{prefix}".rstrip("/") if prefix else self.spec.uri
        beside = await self._beside(asked)
        lies = f"; beside it lie: {beside}" if beside else "; the bucket or folder holds nothing"
        return EmptyListing(
            f"nothing lies under {asked}{lies}",
            fix="check the prefix (it is taken exactly as written, case included)",
            about=asked,
        )

    async def _beside(self, asked: str) -> str:
        """Name what lies under the nearest parent of a URI that holds anything; empty where that is not known."""
        base, parts = _split(asked)
        for depth in range(len(parts) - 1, -1, -1):
            uri = "/".join([base, *parts[:depth]]) or "/"
            try:
                store = open_source(msgspec.structs.replace(self.spec, uri=uri), limits=self._limits)._store
                async with asyncio.timeout(NEIGHBOURS_SECONDS):
                    listing = await obstore.list_with_delimiter_async(store)
            except (BaseError, OSError, PenstockError):  # the empty listing is the news, whatever the parents say
                continue
            self.meter.list_requests += 1
            names = [f"{name.rstrip('/').rsplit('/', 1)[-1]}/" for name in listing["common_prefixes"]]
            names += [meta["path"].rsplit("/", 1)[-1] for meta in listing["objects"]]
            beside = sorted(set(names) - {f"{parts[depth]}/"})
            if beside:
                more = f" and {len(beside) - NEIGHBOURS_SHOWN} more" if len(beside) > NEIGHBOURS_SHOWN else ""
                return f"{', '.join(beside[:NEIGHBOURS_SHOWN])}{more} (in {uri})"
        return ""


def open_source(spec: SourceSpec, *, limits: ClientLimits = _DEFAULT_LIMITS) -> ObjectSource:
    """Open the store that a source lies in; nothing is requested yet.

    Args:
        spec: of the source.
        limits: of requests; local folders have none.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
        BucketNotFound: a local folder that does not exist.
    """
    found = split_s3(spec.uri)
    if found is None:
        return ObjectSource(spec, _open_local(spec), limits=limits)
    place = s3_address(spec, bucket=found[0], prefix=found[1])
    provider = None if spec.anonymous else Boto3Credentials(spec)
    store = open_s3(place, limits=limits, provider=provider)
    return ObjectSource(spec, store, limits=limits, ranges=open_ranges(spec, place, limits=limits, provider=provider))


def _open_local(spec: SourceSpec) -> LocalStore:
    folder = local_folder(spec.uri)
    if not folder.is_dir():
        raise BucketNotFound(
            f"there is no folder {folder}", fix="check the path; a source is a folder or an s3:// URI", about=spec.uri
        )
    return LocalStore(folder)


def _refuse_beyond(info: ObjectInfo, end: int) -> None:
    if end > info.size_bytes:
        raise TruncatedObject(
            f"{info.key} has {info.size_bytes} bytes, {end} are needed",
            fix="the object was cut off: upload it again, or leave it out",
            about=info.key,
        )


def _split(uri: str) -> tuple[str, list[str]]:
    """Give what cannot be left out of a URI (``s3://bucket``, nothing for a path), and its further parts."""
    if found := split_s3(uri):
        bucket, prefix = found
        return f"s3://{bucket}", [part for part in prefix.split("/") if part]
    return "", list(local_folder(uri).parts[1:])


def _slashes(key: str) -> list[int]:
    return [place for place, letter in enumerate(key) if letter == "/"]


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
