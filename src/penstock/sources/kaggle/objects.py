"""Files of a dataset or a competition as objects, or all of them as the one archive that Kaggle makes of them.

Each file is read by a signed link of its own, asked for anew when it ends, so that many small files cost a request to
Kaggle each; of the archive one link does for all members. A dataset's version is fixed when it is listed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec

from penstock.errors import PenstockError, SourceError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.base import ObjectSource, refuse_beyond
from penstock.sources.http.client import GaveUp
from penstock.sources.http.connection import Answer
from penstock.sources.http.following import FollowingClient, NoRanges
from penstock.sources.http.json import read_json
from penstock.sources.http.versions import version_of
from penstock.sources.kaggle.answers import error_of, status_of
from penstock.sources.kaggle.credentials import Credentials, find_credentials
from penstock.sources.kaggle.packed import MOST_PACKED_BYTES, UnpackedFiles
from penstock.sources.kaggle.places import ARCHIVE, KagglePlace, find_place
from penstock.sources.kaggle.site import KaggleSite, PackedFile, reads_packed
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.protocols import ObjectInfo

__all__ = ["KaggleObjects"]

MAX_PAGE_BYTES = 32 << 20
MAX_PAGES = 1_000_000
MAX_OBJECT_BYTES = 1 << 50

T = TypeVar("T")
_log = logging.getLogger(__name__)


class _File(msgspec.Struct, rename="camel"):
    name: str
    total_bytes: int = 0
    creation_date: str | None = None


class _Page(msgspec.Struct, rename="camel"):
    dataset_files: list[_File] | None = None
    files: list[_File] | None = None
    next_page_token: str | None = None
    error_message: str | None = None


class _Dataset(msgspec.Struct, rename="camel"):
    current_version_number: int


class KaggleObjects(ObjectSource):
    """Files below one folder of a dataset or competition.

    Raises:
        ConfigError: the URI, a setting or the credentials cannot be used.
    """

    def __init__(self, spec: SourceSpec, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose) -> None:
        super().__init__(spec, meter)
        self._limits, self._purpose = limits, purpose
        self._aim(find_place(spec), None if spec.flag("anonymous") else find_credentials())

    def _aim(self, place: KagglePlace, credentials: Credentials | None) -> None:
        self._place = place
        self._site = KaggleSite(self.spec, place, credentials, find_credentials)
        self._unpacked = UnpackedFiles(self._fetch_packed)
        self._client = FollowingClient(self._site, limits=self._limits, meter=self.meter, purpose=self._purpose)

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted."""
        return False

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List; see the base class. The version that is the newest becomes the source's own."""
        await self._pin()
        if self._place.is_archive:
            if not prefix:
                yield [await self._archive()]
            return
        base = self._place.path
        below = "".join(f"{part}/" for part in (base, prefix.strip("/")) if part)
        async for files in self._pages():
            found = [self._info(file, base) for file in files if file.name.startswith(below)]
            if found:
                yield found
            one = next((file for file in files if base and not prefix and file.name == base), None)
            if one is not None:
                parent = base.rpartition("/")[0]
                self._settle(replace(self._place, path=parent))
                yield [self._info(one, parent)]
                return

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range to its place; see the base class."""
        refuse_beyond(info, offset + len(place))
        if not len(place):
            return
        try:
            await self._read_part(info, offset, place)
        except PackedFile:
            whole = await self._unpacked.get(info)
            place[:] = whole[offset : offset + len(place)]

    async def _read_part(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        try:
            await self._client.read_into(info, offset, place)
        except NoRanges as error:
            raise SourceError(
                f"a server of {self.spec.uri} gives no ranges of {info.key}",
                fix="check --endpoint-url or KAGGLE_API_ENDPOINT: Kaggle's own servers give them",
                about=info.key,
            ) from error

    async def names_in(self, uri: str) -> list[str]:
        """Name what lies in a folder, by the first page of the listing that tells any of it."""
        path = find_place(msgspec.structs.replace(self.spec, uri=uri)).path
        below = f"{path}/" if path else ""
        async for files in self._pages():
            rest = [file.name[len(below) :] for file in files if file.name.startswith(below)]
            if rest:
                return sorted({f"{name.partition('/')[0]}/" if "/" in name else name for name in rest})
        return []

    def split_uri(self, uri: str) -> tuple[str, list[str]]:
        """Return the URI of the dataset or competition, and the path's parts."""
        place = find_place(msgspec.structs.replace(self.spec, uri=uri))
        return place.base, [part for part in place.path.split("/") if part]

    def close(self) -> None:
        """Close connections."""
        self._unpacked.close()
        self._client.close()

    async def _pin(self) -> None:
        """Find the number of the newest version, and keep to it."""
        if self._place.is_pinned:
            return
        version = self._decode(await self._get(self._place.view), _Dataset).current_version_number
        if version < 1:
            raise self._untrusted(f"it gives the newest version the number {version}")
        self._settle(replace(self._place, version=version))

    def _settle(self, place: KagglePlace) -> None:
        _log.info("source.pinned source=%s uri=%s", self.spec.uri, place.uri)
        self.spec = msgspec.structs.replace(self.spec, uri=place.uri)
        self._client.close()
        self._aim(place, self._site.credentials)

    async def _archive(self) -> ObjectInfo:
        """Return the archive of all files, of the size and version that the server of its signed link tells."""
        answer = await self._get(self._place.url_of(ARCHIVE), headers={"Range": "bytes=0-0"})
        span = answer.head.content_range
        if answer.head.status != 206 or span is None or span[2] > MAX_OBJECT_BYTES:
            raise SourceError(
                f"the archive of {self.spec.uri} cannot be read by ranges",
                fix="leave the option archive out: its files are read one by one then",
                about=self.spec.uri,
            )
        return ObjectInfo(key=ARCHIVE, size_bytes=span[2], version=version_of(answer.head))

    async def _fetch_packed(self, info: ObjectInfo) -> bytes:
        """Return a file as it is packed; in a task of its own."""
        reads_packed.set(True)
        url = self._place.url_of(info.key)
        try:
            answer = await self._client.call(
                "GET", url, kind="GET", purpose=self._purpose, most_bytes=2 * MOST_PACKED_BYTES
            )
        except GaveUp as error:
            raise self._site.failed(error, info.key, error.tried) from error
        if answer.head.status != 200:
            self.meter.add("failed_requests")
            raise error_of(answer, self.spec, self._place, info.key, self._site.credentials, is_object=True)
        return answer.body

    async def _pages(self) -> AsyncIterator[list[_File]]:
        token, seen = "", set[str]()
        while True:
            page = self._decode(await self._get(self._place.files(token)), _Page)
            if page.error_message:
                raise self._untrusted(page.error_message[:200])
            yield page.dataset_files or page.files or []
            token = page.next_page_token or ""
            if not token:
                return
            if token in seen or len(seen) >= MAX_PAGES:
                raise self._untrusted("its next page is one that came before")
            seen.add(token)

    async def _get(self, url: str, headers: dict[str, str] | None = None) -> Answer:
        purpose: Purpose = "probe" if self._purpose == "probe" else "listing"
        try:
            answer = await self._client.call(
                "GET",
                url,
                kind="GET" if headers else "LIST",
                purpose=purpose,
                headers=headers,
                most_bytes=MAX_PAGE_BYTES,
                cuts_off=headers is not None,
            )
        except GaveUp as error:
            raise self._refused(error) from error
        if status_of(answer) not in (200, 206):
            self.meter.add("failed_requests")
            raise self._refused(answer)
        return answer

    def _refused(self, problem: Answer | Exception) -> PenstockError:
        return error_of(problem, self.spec, self._place, self.spec.uri, self._site.credentials, is_object=False)

    def _decode(self, answer: Answer, kind: type[T]) -> T:
        try:
            return read_json(answer.body, kind)
        except msgspec.MsgspecError as error:
            raise self._untrusted(str(error)) from error

    def _untrusted(self, what: str) -> SourceError:
        return SourceError(
            f"the listing of {self.spec.uri} cannot be trusted: {what}",
            fix="run it again; if it stays, check --endpoint-url or KAGGLE_API_ENDPOINT, and what answers there",
            about=self.spec.uri,
        )

    def _info(self, file: _File, base: str) -> ObjectInfo:
        if any(part in ("", ".", "..") for part in file.name.split("/")):
            raise self._untrusted(f"it names {file.name!r}")
        if not 0 <= file.total_bytes < MAX_OBJECT_BYTES:
            raise self._untrusted(f"it gives {file.name!r} a size of {file.total_bytes}")
        version = (
            f"created:{file.creation_date or ''}" if self._place.is_competition else f"version:{self._place.version}"
        )
        key = file.name.removeprefix(f"{base}/") if base else file.name
        return ObjectInfo(key=key, size_bytes=file.total_bytes, version=version, validator="")
