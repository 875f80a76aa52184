"""Files of a repository of the Hub as objects, pinned to a commit when they are listed, or of a bucket.

A file's version is the SHA-256 of its content (of large files) or Git's own of it; the commit names both for good, so
that a read need not ask for them. Files of a bucket, which has no commits, are known by their Xet hash, which is told
with each link. Bytes come by signed links to other servers, which are asked for anew when they end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Hashable, MutableMapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

import msgspec

from penstock.errors import PenstockError, SourceError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.base import ObjectSource, refuse_beyond
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer
from penstock.sources.http.following import FollowingClient, NoRanges
from penstock.sources.http.json import read_json
from penstock.sources.hub.answers import error_of, says_missing_path
from penstock.sources.hub.places import HubPlace, find_place, is_same_server
from penstock.sources.hub.site import HubSite, expected_hash
from penstock.sources.hub.tokens import find_token, refuse_offline
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.protocols import ObjectInfo

__all__ = ["HubObjects"]

MAX_PAGE_BYTES = 32 << 20
MAX_PAGES = 100_000
MAX_EARLY_BYTES = 4 << 20
"""Of an object that is read while it is listed."""
_NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')
_COMMIT = re.compile(r"[0-9a-f]{40}")
_XET = "xet:"
_SHA256 = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


class _Lfs(msgspec.Struct):
    oid: str
    size: int


class _Entry(msgspec.Struct, rename="camel"):
    type: str
    path: str
    oid: str = ""
    size: int = 0
    lfs: _Lfs | None = None
    xet_hash: str | None = None
    uploaded_at: str | None = None


class _Sibling(msgspec.Struct):
    rfilename: str


class _Revision(msgspec.Struct):
    sha: str
    siblings: msgspec.Raw = msgspec.Raw(b"[]")


class HubObjects(ObjectSource):
    """Files below one folder of a repository.

    Raises:
        ConfigError: the URI or a setting is none that can be used.
    """

    def __init__(self, spec: SourceSpec, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose) -> None:
        super().__init__(spec, meter)
        refuse_offline(spec.uri)
        self._purpose = purpose
        self._place = find_place(spec)
        self._site = HubSite(spec, self._place, _find_none if spec.flag("anonymous") else find_token)
        self._client = FollowingClient(self._site, limits=limits, meter=meter, purpose=purpose)
        self._expected: str | None = None
        self._early: asyncio.Task[bytes | None] | None = None
        self._first: Callable[[Sequence[str]], str | None] | None = None
        self._way: asyncio.Task[None] | None = None
        self._pinning: asyncio.Task[_Revision] | None = None

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted."""
        return False

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List; see the base class. The commit that the revision is becomes the source's own."""
        await self._pin()
        if self._expected is not None and self._early is None and not prefix:
            self._early = asyncio.create_task(self._read_early(self._expected))
        base = self._place.path
        below = "/".join(part for part in (base, prefix.strip("/")) if part)
        found_any = False
        async for entries in self._tree(below, deep=True):
            files = [self._info(entry, base) for entry in entries if entry.type == "file"]
            found_any |= bool(entries)
            if files:
                yield files
        if not found_any and below and not prefix:
            yield await self._one_file(below)

    def expect(self, key: str) -> None:
        """Read an object while it is listed; see the base class."""
        self._expected = key

    async def get_ready(self) -> None:
        """Ask for the commit; see the base class."""
        if not self._place.is_pinned and self._pinning is None:
            self._pinning = asyncio.create_task(self._find_commit())
            await asyncio.wait({self._pinning})

    def foresee(self, first: Callable[[Sequence[str]], str | None]) -> None:
        """Look up a link while files are listed; see the base class. Their names come with the commit."""
        self._first = first

    async def find_way(self, key: str) -> None:
        """Look up a link; see the base class. Those of buckets are looked up by who reads, who knows a file's hash."""
        if not self._place.is_bucket:
            await self._client.find_way(self._place.url_of(key))

    async def get(self, info: ObjectInfo) -> bytes:
        """Return a whole object; see the base class. One that was expected has been asked for before."""
        early = self._early
        if info.key == self._expected and early is not None and early.get_loop() is asyncio.get_running_loop():
            self._early = None
            found = await early
            if found is not None and len(found) == info.size_bytes:
                return found
        return await super().get(info)

    def share_ways(self, shared: MutableMapping[Hashable, Any]) -> None:
        """Share where links led; see the base class. Those of buckets lead to the version that their asker expected."""
        if not self._place.is_bucket:
            name = (self.spec.uri, *sorted(self.spec.options.items()))
            self._client.ways = shared.setdefault(name, self._client.ways)

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range to its place; see the base class. A server that knows no ranges gives small files whole."""
        refuse_beyond(info, offset + len(place))
        if not len(place):
            return
        expected_hash.set(info.version.removeprefix(_XET) if info.version.startswith(_XET) else "")
        try:
            await self._client.read_into(info, offset, place)
        except NoRanges as error:
            raise SourceError(
                f"a server of {self.spec.uri} gives no ranges of {info.key}",
                fix="check --endpoint-url or HF_ENDPOINT: the Hub's own servers give them",
                about=info.key,
            ) from error

    async def names_in(self, uri: str) -> list[str]:
        """Name what lies in a folder."""
        place = replace(find_place(msgspec.structs.replace(self.spec, uri=uri)), revision=self._place.revision)
        found = [entry async for entries in self._tree(place.path, deep=False) for entry in entries]
        return [entry.path.rpartition("/")[2] + ("/" if entry.type == "directory" else "") for entry in found]

    def split_uri(self, uri: str) -> tuple[str, list[str]]:
        """Return the repository's URI, and the path's parts."""
        place = find_place(msgspec.structs.replace(self.spec, uri=uri))
        return replace(place, path="").uri, [part for part in place.path.split("/") if part]

    def close(self) -> None:
        """Close connections."""
        for task in (self._early, self._way, self._pinning):
            if task is not None and not task.get_loop().is_closed():
                task.cancel()
        self._client.close()

    async def _pin(self) -> None:
        """Find the commit that the revision is, and keep to it."""
        if self._place.is_pinned:
            return
        early, self._pinning = self._pinning, None
        is_own = early is not None and early.get_loop() is asyncio.get_running_loop()
        found = await (early if early is not None and is_own else self._find_commit())
        self._settle(replace(self._place, revision=found.sha))
        self._way = self._foreseen(found.siblings)

    async def _find_commit(self) -> _Revision:
        url = f"{self._place.api}/revision/{self._place.url_of('').rpartition('/resolve/')[2].partition('/')[0]}"
        answer = await self._get(url)
        if answer.head.status != 200:
            raise self._refused(answer)
        found: _Revision = self._decode(answer, _Revision)
        if not _COMMIT.fullmatch(found.sha):
            raise self._untrusted(f"it gives the revision the commit {found.sha[:80]!r}")
        return found

    def _foreseen(self, siblings: msgspec.Raw) -> asyncio.Task[None] | None:
        """Begin to look up the link of what will be read first, as far as names tell that."""
        if self._first is None:
            return None
        below = f"{self._place.path}/" if self._place.path else ""
        names: list[str] = []
        with contextlib.suppress(msgspec.MsgspecError, UnicodeError):  # what there is is told by the tree
            names = [each.rfilename for each in msgspec.json.decode(siblings, type=list[_Sibling])]
        first = self._first([name.removeprefix(below) for name in names if name.startswith(below)])
        return asyncio.create_task(self.find_way(first)) if first is not None else None

    def _settle(self, place: HubPlace) -> None:
        _log.info("source.pinned source=%s uri=%s", self.spec.uri, place.uri)
        self.spec = msgspec.structs.replace(self.spec, uri=place.uri)
        self._place = place
        self._site.move(self.spec, place)  # the client and its connections stay

    async def _one_file(self, path: str) -> list[ObjectInfo]:
        """Return the file that a URI names, whose folder becomes the source's place."""
        parent = path.rpartition("/")[0]
        async for entries in self._tree(parent, deep=False):
            for entry in entries:
                if entry.path == path and entry.type == "file":
                    self._settle(replace(self._place, path=parent))
                    return [self._info(entry, parent)]
        return []

    async def _tree(self, path: str, *, deep: bool) -> AsyncIterator[list[_Entry]]:
        """Return what a folder holds, page by page; nothing where it is missing."""
        url: str | None = self._place.tree(path, deep=deep)
        seen: set[str] = set()
        while url is not None:
            answer = await self._get(url)
            if says_missing_path(answer):
                return
            if answer.head.status != 200:
                raise self._refused(answer)
            yield self._below(self._decode(answer, list[_Entry]), path)
            seen.add(url)
            url = self._next(url, answer)
            if url in seen or len(seen) >= MAX_PAGES:
                raise self._untrusted("its next page is one that came before, or there is no end of them")

    def _next(self, url: str, answer: Answer) -> str | None:
        """Return the URL of a page's next one; None of the last."""
        following = _NEXT.search(answer.head.header("link") or "")
        if following is None:
            return None
        try:
            found: str = urljoin(url, following[1])
            is_own = is_same_server(found, self._place.endpoint)
        except ValueError:
            is_own = False
        if not is_own:
            raise self._untrusted(f"its next page {following[1][:80]!r} is of another server")
        return found

    def _below(self, entries: list[_Entry], path: str) -> list[_Entry]:
        """Return what lies in a folder; a bucket gives what begins with its name as well."""
        if not (self._place.is_bucket and path):
            return entries
        return [entry for entry in entries if entry.path.startswith(f"{path}/")]

    async def _read_early(self, key: str) -> bytes | None:
        """Return a small object that may be there; None where it did not come, whatever the reason."""
        url = self._place.url_of(key)
        try:
            answer = await self._client.call("GET", url, kind="GET", purpose=self._purpose, most_bytes=MAX_EARLY_BYTES)
        except (GaveUp, PenstockError):  # what is wrong is met again, and told, by who reads it
            return None
        return bytes(answer.body) if answer.head.status == 200 else None

    async def _get(self, url: str) -> Answer:
        purpose: Purpose = "probe" if self._purpose == "probe" else "listing"
        try:
            return await self._client.call("GET", url, kind="LIST", purpose=purpose, most_bytes=MAX_PAGE_BYTES)
        except GaveUp as error:
            raise self._refused(error) from error

    def _refused(self, problem: Answer | Exception) -> Exception:
        if isinstance(problem, Answer):
            self.meter.add("failed_requests")
        return error_of(problem, self.spec, self._place, self.spec.uri, sent=self._site.token, is_object=False)

    def _decode(self, answer: Answer, kind: Any) -> Any:
        try:
            return read_json(answer.body, kind)
        except msgspec.MsgspecError as error:
            raise self._untrusted(str(error)) from error

    def _untrusted(self, what: str) -> SourceError:
        return SourceError(
            f"the listing of {self.spec.uri} cannot be trusted: {what}",
            fix="run it again; if it stays, check --endpoint-url or HF_ENDPOINT, and what answers in the Hub's place",
            about=self.spec.uri,
        )

    def _info(self, entry: _Entry, base: str) -> ObjectInfo:
        prefix = f"{base}/" if base else ""
        key = entry.path.removeprefix(prefix)
        parts = entry.path.split("/")
        if not entry.path.startswith(prefix) or any(part in ("", ".", "..") for part in parts):
            raise self._untrusted(f"it names {entry.path!r}, which does not lie below {base!r}")
        size = entry.lfs.size if entry.lfs is not None else entry.size
        if not 0 <= size < 1 << 50:
            raise self._untrusted(f"it gives {entry.path!r} a size of {size}")
        oid = entry.lfs.oid.removeprefix("sha256:") if entry.lfs is not None else ""
        version = f"sha256:{oid}" if _SHA256.fullmatch(oid) else f"git:{entry.oid}"
        if self._place.is_bucket:
            version = f"{_XET}{entry.xet_hash}" if entry.xet_hash else f"uploaded:{entry.uploaded_at or ''}"
        return ObjectInfo(key=key, size_bytes=size, version=version, validator="")


def _find_none() -> None:
    """Find no token."""
