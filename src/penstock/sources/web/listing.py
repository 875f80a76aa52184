"""Finding what lies at a web place: a file's head, an index page and those of its sub-folders, a list's lines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import msgspec

from penstock.errors import BucketNotFound, ObjectNotFound, SourceError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer
from penstock.sources.http.following import FollowingClient
from penstock.sources.http.versions import MODIFIED, version_of
from penstock.sources.protocols import ObjectInfo
from penstock.sources.web.answers import error_of
from penstock.sources.web.lists import ListedAddress, read_list
from penstock.sources.web.pages import BadPage, Entry, IndexPage, read_page
from penstock.sources.web.places import WebPlace

__all__ = ["WebListing"]

MAX_PAGE_BYTES = 64 << 20
"""Of an index page; 100 bytes a file."""
MAX_LIST_BYTES = 512 << 20
MAX_DEPTH = 32
MAX_FOLDERS = 100_000
MAX_OBJECT_BYTES = 1 << 50
PAGE_OBJECTS = 1000
HEADS_AT_ONCE = 32

_NO_HEAD = frozenset({403, 405, 501})
"""Answers to HEAD that may mean that only GET is answered."""
_GONE = frozenset({401, 403, 404, 410, 451})

T = TypeVar("T")
_log = logging.getLogger(__name__)


class WebListing:
    """Lists one source.

    Attributes:
        num_elsewhere: links of pages that lead elsewhere, and are left out.
        num_gone: folders that pages name, and that are not there.
        num_unversioned: files of which the server tells no version.
        num_summed: files whose checksum a list tells.
    """

    def __init__(self, client: FollowingClient, spec: SourceSpec, *, purpose: Purpose) -> None:
        self._client, self._spec, self._purpose = client, spec, purpose
        self.num_elsewhere = self.num_gone = self.num_unversioned = self.num_summed = 0

    async def file(self, place: WebPlace, key: str) -> ObjectInfo:
        """Return the one file of a place.

        Raises:
            SourceError: there is none.
        """
        return await self._look(place.url, key, is_object=True)

    async def folder(
        self, place: WebPlace, prefix: str, *, first: IndexPage | None = None
    ) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Return files of an index page, and of those below it, in the order of folders.

        As in a bucket, a prefix that is not there holds nothing.

        Args:
            first: the place's own page, where it was read already.

        Raises:
            SourceError: the place is not there, a page cannot be read, or there is no end of them.
        """
        start = place.url_of(f"{prefix.strip('/')}/") if prefix else place.url
        waiting, seen = [start], {start}
        deep: set[str] = set()  # files of folders whose own pages are still to come
        while waiting:
            url = waiting.pop()
            page = first if first is not None and url == place.url else await self._folder_page(url, place, start)
            self.num_elsewhere += page.num_elsewhere
            files = [entry for entry in page.entries if not entry.is_folder and entry.url not in deep]
            deep.update(entry.url for entry in files if "/" in entry.url.partition("?")[0][len(url) :])
            for entry in page.entries:
                if entry.is_folder and entry.url not in seen:
                    self._refuse_endless(entry, len(seen))
                    seen.add(entry.url)
                    waiting.append(entry.url)
            for batch in _batches(files, PAGE_OBJECTS):
                yield await self._each(batch)

    async def listed(self, place: WebPlace, prefix: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """Return the files that a list names.

        Raises:
            SourceError: it cannot be read, or a line of it is no URL.
        """
        text = await self._list_text(place)
        below = f"{prefix.strip('/')}/" if prefix else ""
        listed = (each for each in read_list(text, self._spec.uri) if each.key.startswith(below))
        for batch in _batches(listed, PAGE_OBJECTS):
            self.num_summed += sum(bool(each.digest) for each in batch)
            yield await self._each(batch)

    async def _folder_page(self, url: str, place: WebPlace, start: str) -> IndexPage:
        """Return the index page of the place, of a prefix, or of a folder that another page names."""
        try:
            return await self.page(url, place.base, is_root=False)
        except BucketNotFound:
            if url == place.url:
                raise
            self.num_gone += url != start
            return IndexPage(entries=(), num_elsewhere=0)

    async def page(self, url: str, root: str, *, is_root: bool) -> IndexPage:
        """Return the index page of a folder.

        Raises:
            SourceError: it is not there, or cannot be read.
        """
        answer = await self._get(url, most_bytes=MAX_PAGE_BYTES)
        end = self._client.led_to(url)
        if end != url and not (is_root or end.startswith(root)):
            return IndexPage(entries=(), num_elsewhere=1)
        try:
            kind = answer.head.header("content-type") or ""
            return read_page(answer.body, kind, url=url, root=root)
        except BadPage as error:
            raise SourceError(
                f"{url} is no index page: {error}",
                fix="turn the server's index pages on (autoindex), leave the slash at its end out for a file, or "
                "give a list of URLs: urls+https://… or urls+file:///…",
                about=url,
            ) from error

    async def _list_text(self, place: WebPlace) -> str:
        if place.path is not None:
            try:
                data = await asyncio.to_thread(_read_file, place)
            except FileNotFoundError as error:
                raise ObjectNotFound(f"there is no {place.path}", fix="check the path", about=self._spec.uri) from error
            except OSError as error:
                raise SourceError(
                    f"cannot read {place.path} ({error.strerror})",
                    fix="check the path and its mode",
                    about=self._spec.uri,
                ) from error
        else:
            data = (await self._get(place.url, most_bytes=MAX_LIST_BYTES)).body
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{self._spec.uri} is no text in UTF-8", fix="give a list of URLs, one a line", about=self._spec.uri
            ) from error

    async def _get(self, url: str, *, most_bytes: int) -> Answer:
        try:
            answer = await self._client.call("GET", url, kind="LIST", purpose=self._purpose, most_bytes=most_bytes)
        except GaveUp as error:
            raise error_of(error, self._spec, url, is_object=False) from error
        if answer.head.status != 200:
            self._client.meter.add("failed_requests")
            raise error_of(answer, self._spec, url, is_object=False)
        return answer

    async def _each(self, batch: Sequence[Entry] | Sequence[ListedAddress]) -> list[ObjectInfo]:
        """Look at files, many at a time; what is known of one already is not asked for."""
        places = asyncio.Semaphore(HEADS_AT_ONCE)

        async def look(each: Entry | ListedAddress) -> ObjectInfo:
            known = _known(each)
            if known is not None:
                return known
            async with places:
                found = await self._look(each.url, each.key, is_object=False)
            return _as_listed(found, each) if isinstance(each, ListedAddress) else found

        tasks = [asyncio.create_task(look(each)) for each in batch]
        try:
            found = await asyncio.gather(*tasks)  # the first error, and not a group of all
        finally:
            for task in tasks:
                task.cancel()
        self.num_unversioned += sum(not info.version and not info.trouble for info in found)
        return sorted(found, key=lambda info: info.key)

    async def _look(self, url: str, key: str, *, is_object: bool) -> ObjectInfo:
        """Ask for a file's size and version; one that cannot be had is told with why, but where it is all there is."""
        try:
            answer = await self._client.call("HEAD", url, kind="HEAD", purpose=self._purpose)
            size = answer.head.length_bytes
            if answer.head.status in _NO_HEAD or (answer.head.status == 200 and size is None):
                answer = await self._client.call(
                    "GET",
                    url,
                    kind="GET",
                    purpose=self._purpose,
                    headers={"Range": "bytes=0-0"},
                    most_bytes=1,
                    cuts_off=True,
                )
                span = answer.head.content_range
                size = span[2] if answer.head.status == 206 and span is not None else answer.head.length_bytes
        except GaveUp as error:
            raise error_of(error, self._spec, url, is_object=False) from error
        status = answer.head.status
        if status == 416:  # no byte of it can be asked for: it is empty
            return ObjectInfo(key=key, size_bytes=0, version=version_of(answer.head))
        if status not in (200, 206):
            if status in _GONE and not is_object:
                return ObjectInfo(key=key, size_bytes=0, version="", trouble=f"cannot be had (HTTP {status})")
            self._client.meter.add("failed_requests")
            raise error_of(answer, self._spec, url, is_object=False)
        if size is None or size > MAX_OBJECT_BYTES:
            return ObjectInfo(key=key, size_bytes=0, version="", trouble="has no size that the server tells")
        return ObjectInfo(key=key, size_bytes=size, version=version_of(answer.head))

    def _refuse_endless(self, entry: Entry, num_folders: int) -> None:
        if entry.key.count("/") > MAX_DEPTH or num_folders >= MAX_FOLDERS:
            raise SourceError(
                f"the folders of {self._spec.uri} go deeper than {MAX_DEPTH} or are more than {MAX_FOLDERS}",
                fix="give a folder below it, or a list of URLs; pages that link to themselves by new names have no end",
                about=self._spec.uri,
            )


def _known(each: Entry | ListedAddress) -> ObjectInfo | None:
    if isinstance(each, ListedAddress):
        return each.info
    if each.size_bytes is None:
        return None
    return ObjectInfo(key=each.key, size_bytes=each.size_bytes, version=f"{MODIFIED}{each.modified}")


def _as_listed(found: ObjectInfo, listed: ListedAddress) -> ObjectInfo:
    """Hold a file to what its list says of it."""
    if found.trouble:
        return found
    if listed.size_bytes is not None and listed.size_bytes != found.size_bytes:
        trouble = f"has {found.size_bytes} bytes, and {listed.size_bytes} by the list"
        return msgspec.structs.replace(found, trouble=trouble)
    if listed.etag and found.version.startswith('"') and listed.etag != found.version:
        return msgspec.structs.replace(found, trouble=f"has the ETag {found.version}, and {listed.etag} by the list")
    return listed.of_size(found.size_bytes, validator=found.version)


def _read_file(place: WebPlace) -> bytes:
    assert place.path is not None
    with place.path.open("rb") as file:
        return file.read(MAX_LIST_BYTES)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    given = iter(items)
    while batch := list(islice(given, size)):
        yield batch
