"""Objects under one prefix of one bucket, whatever the store: listed by pages, found by keys, read by range."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import msgspec

from penstock.clock import running_seconds
from penstock.errors import PenstockError, SourceError, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.base import ObjectSource, refuse_beyond
from penstock.sources.http.client import GaveUp, HttpClient
from penstock.sources.http.connection import Answer
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits, Patience
from penstock.sources.protocols import ObjectInfo
from penstock.sources.stores.pages import Asked, BadListing, Page, PageOrder

__all__ = ["StoreObjects"]

_log = logging.getLogger(__name__)


class StoreObjects(ObjectSource):
    """Objects under one prefix; nothing is requested before it is used.

    Args:
        bucket: as listings name it.
        prefix: without slashes around it.
    """

    def __init__(
        self,
        spec: SourceSpec,
        client: HttpClient,
        *,
        bucket: str,
        prefix: str,
        limits: ClientLimits,
        meter: RequestMeter,
        purpose: Purpose,
    ) -> None:
        super().__init__(spec, meter)
        self._client = client
        self._bucket, self._prefix = bucket, prefix
        self._limits = limits
        self._listing_purpose: Purpose = "probe" if purpose == "probe" else "listing"

    @abstractmethod
    async def ask_page(self, asked: Asked, purpose: Purpose) -> Answer:
        """Ask for a page of a listing.

        Raises:
            GaveUp: no answer came in time.
        """

    @abstractmethod
    def parse_page(self, body: bytes, asked: Asked) -> Page:
        """Read a page.

        Raises:
            BadListing: it cannot be trusted.
        """

    @abstractmethod
    def refused(self, problem: GaveUp | Answer, about: str) -> PenstockError:
        """Return the error of a page that was not given."""

    @abstractmethod
    def place_in(self, uri: str) -> tuple[str, str]:
        """Return the URI of a URI's bucket, and its prefix without slashes around it."""

    @abstractmethod
    def client_below(self, prefix: str) -> HttpClient:
        """Return a client whose keys are below another prefix."""

    @property
    def lists_in_order(self) -> bool:
        """Whether listings come sorted."""
        return True

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List; see the base class."""
        base = self._base()
        below = f"{base}{prefix.rstrip('/')}/" if prefix else base
        is_empty = True
        async for page in self._pages(Asked(bucket=self._bucket, base=base, prefix=below), prefix):
            if page.objects:
                is_empty = False
                self.see_classes(page.objects)
                yield page.objects
        if is_empty and not prefix and (found := await self._one_object()) is not None:
            self.see_classes([found])
            yield [found]

    async def find(self, key: str) -> ObjectInfo | None:
        """Look one object up by the first page of what begins with its key; see the base class."""
        base = self._base()
        page = await self._page(Asked(bucket=self._bucket, base=base, prefix=f"{base}{key}"), key)
        return next((info for info in page.objects if info.key == key), None)

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        """Read a range to its place; see the base class."""
        refuse_beyond(info, offset + len(place))
        if len(place):
            await self._client.read_into(info, offset, place)

    async def names_in(self, uri: str) -> list[str]:
        """Name what lies in a folder."""
        _, prefix = self.place_in(uri)
        base = f"{prefix}/" if prefix else ""
        page = await self._page(Asked(bucket=self._bucket, base=base, prefix=base, by_folder=True), "")
        return [*page.prefixes, *(info.key for info in page.objects)]

    def split_uri(self, uri: str) -> tuple[str, list[str]]:
        """Return the bucket's URI and the prefix's parts."""
        bucket, prefix = self.place_in(uri)
        return bucket, [part for part in prefix.split("/") if part]

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    async def _one_object(self) -> ObjectInfo | None:
        """Return the object that the URI names, whose folder becomes the source's place; None where it names none."""
        if not self._prefix:
            return None
        parent, _, name = self._prefix.rpartition("/")
        base = f"{parent}/" if parent else ""
        page = await self._page(Asked(bucket=self._bucket, base=base, prefix=self._prefix), "")
        found = next((info for info in page.objects if info.key == name), None)
        if found is not None:
            uri = self.spec.uri.rstrip("/").removesuffix(name).rstrip("/")
            self.spec = msgspec.structs.replace(self.spec, uri=uri)
            self._client.close()
            self._client, self._prefix = self.client_below(parent), parent
        return found

    def _base(self) -> str:
        return f"{self._prefix}/" if self._prefix else ""

    async def _pages(self, asked: Asked, about: str) -> AsyncIterator[Page]:
        order = PageOrder()
        while True:
            page = await self._page(asked, about)
            try:
                order.take(page)
            except BadListing as error:
                raise self._untrusted(error) from error
            yield page
            if not page.next_token:
                return
            asked = replace(asked, token=page.next_token)

    async def _page(self, asked: Asked, about: str) -> Page:
        """Return a page; a damaged one is asked for again."""
        patience = Patience(self._limits, clock=running_seconds)
        while True:
            try:
                answer = await self.ask_page(asked, self._listing_purpose)
            except GaveUp as error:
                raise self.refused(error, about) from error
            if answer.head.status != 200:
                self.meter.add("failed_requests")
                raise self.refused(answer, about)
            try:
                return self.parse_page(answer.body, asked)
            except BadListing as error:
                pause = patience.pause() if error.may_pass else None
                if pause is None:
                    self.meter.add("failed_requests")
                    raise self._untrusted(error, patience.told) from error
                _log.warning("listing.damaged source=%s reason=%s", self.spec.uri, error)
                self.meter.add("retried_requests")
                await asyncio.sleep(pause)

    def _untrusted(self, error: BadListing, tried: str = "") -> SourceError:
        kind = SourceUnavailable if error.may_pass else SourceError
        return kind(
            f"the listing of {self.spec.uri} cannot be trusted: {error}{'; ' if tried else ''}{tried}",
            fix="run it again; if it stays, the server is at fault, or what answers in its place (a proxy, a captive "
            "portal)",
            about=self.spec.uri,
        )
